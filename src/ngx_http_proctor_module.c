/*
 * Table of contents: directives, steps, hooks.  No logic lives here; every
 * table names functions of the file that owns the concept.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_module_start(ngx_conf_t *cf);


/* What happens to a request, in order.  Each step is one file. */

ngx_http_proctor_step_t ngx_http_proctor_steps[] = {
    { "framing", ngx_http_proctor_framing },    /* HTTP as clients send it?  */
    { "caller", ngx_http_proctor_caller },      /* whose key is this?        */
    { "route", ngx_http_proctor_route },        /* which operation is this?  */
    { "right", ngx_http_proctor_caller_right }, /* may this key do this?     */
    { "input", ngx_http_proctor_input },        /* do path and query fit?    */
    { "read", ngx_http_proctor_body_read },     /* wait for the whole body   */
    { "body", ngx_http_proctor_body },          /* does the body fit?        */
    { "verdict", ngx_http_proctor_input_verdict }, /* refuse what did not fit */
    { "lookup", ngx_http_proctor_cache_lookup }, /* what is it stored as?     */
    { "quota", ngx_http_proctor_quota },         /* is there any left?        */
    { "ask", ngx_http_proctor_cache_question_alone }, /* Redis, if none did   */
    { "cache", ngx_http_proctor_cache },         /* do we know the answer?    */
    { "budget", ngx_http_proctor_quota_budget }, /* also for the account?     */
    { "audit", ngx_http_proctor_audit },         /* written down before it is */
    { "mark", ngx_http_proctor_cache_write },    /* warn readers of a write   */
    { "key", ngx_http_proctor_key },             /* lend the account's key    */
    { NULL, NULL },
};


static ngx_conf_enum_t ngx_http_proctor_modes[] = {
    { ngx_string("enforce"), NGX_HTTP_PROCTOR_ENFORCE },
    { ngx_string("observe"), NGX_HTTP_PROCTOR_OBSERVE },
    { ngx_null_string, 0 },
};


static ngx_conf_enum_t ngx_http_proctor_quota_policies[] = {
    { ngx_string("local"), NGX_HTTP_PROCTOR_QUOTA_LOCAL },
    { ngx_string("open"), NGX_HTTP_PROCTOR_QUOTA_OPEN },
    { ngx_string("closed"), NGX_HTTP_PROCTOR_QUOTA_CLOSED },
    { ngx_null_string, 0 },
};


static ngx_command_t ngx_http_proctor_commands[] = {

    { ngx_string("proctor_contract"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE2,
        ngx_http_proctor_conf_contract, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_teams"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1,
        ngx_http_proctor_conf_teams, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_audit"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE,
        ngx_http_proctor_audit_conf, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_checkpoint"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        ngx_http_proctor_audit_zone_conf, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_redis"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE,
        ngx_http_proctor_redis_conf, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1,
        ngx_http_proctor_zone_conf, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor_status"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        ngx_http_proctor_status_conf, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

    { ngx_string("proctor"),
        NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
        ngx_conf_set_str_slot, NGX_HTTP_LOC_CONF_OFFSET,
        offsetof(ngx_http_proctor_loc_conf_t, name), NULL },

    { ngx_string("proctor_mode"),
        NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF
            | NGX_CONF_TAKE1,
        ngx_conf_set_enum_slot, NGX_HTTP_LOC_CONF_OFFSET,
        offsetof(ngx_http_proctor_loc_conf_t, mode), ngx_http_proctor_modes },

    { ngx_string("proctor_quota_on_error"),
        NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF
            | NGX_CONF_TAKE1,
        ngx_conf_set_enum_slot, NGX_HTTP_LOC_CONF_OFFSET,
        offsetof(ngx_http_proctor_loc_conf_t, quota_on_error),
        ngx_http_proctor_quota_policies },

    { ngx_string("proctor_cache"),
        NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF
            | NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
        offsetof(ngx_http_proctor_loc_conf_t, cache), NULL },

    { ngx_string("proctor_origin"),
        NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF
            | NGX_CONF_TAKE1,
        ngx_http_set_complex_value_slot, NGX_HTTP_LOC_CONF_OFFSET,
        offsetof(ngx_http_proctor_loc_conf_t, origin), NULL },

    ngx_null_command,
};


static ngx_http_module_t ngx_http_proctor_module_ctx = {
    ngx_http_proctor_variable_add, /* preconfiguration */
    ngx_http_proctor_module_start, /* postconfiguration */

    ngx_http_proctor_conf_create_main, /* create main configuration */
    ngx_http_proctor_conf_init_main,   /* init main configuration */

    ngx_http_proctor_conf_create_srv, /* create server configuration */
    NULL,                             /* merge server configuration */

    ngx_http_proctor_conf_create_loc, /* create location configuration */
    ngx_http_proctor_conf_merge_loc,  /* merge location configuration */
};


ngx_module_t ngx_http_proctor_module = {
    NGX_MODULE_V1,
    &ngx_http_proctor_module_ctx, /* module context */
    ngx_http_proctor_commands,    /* module directives */
    NGX_HTTP_MODULE,              /* module type */
    NULL,                         /* init master */
    NULL,                         /* init module */
    ngx_http_proctor_worker_init, /* init process */
    NULL,                         /* init thread */
    NULL,                         /* exit thread */
    ngx_http_proctor_worker_exit, /* exit process */
    NULL,                         /* exit master */
    NGX_MODULE_V1_PADDING,
};


/*
 * PRECONTENT and not ACCESS: there `satisfy any` would let another module's
 * consent override our refusal.
 */

static ngx_int_t
ngx_http_proctor_module_start(ngx_conf_t *cf)
{
    ngx_http_handler_pt *h;
    ngx_http_core_main_conf_t *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_proctor_run;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_proctor_audit_end;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_proctor_quota_end;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_proctor_cache_write_log;

    return ngx_http_proctor_answer_init(cf);
}
