/*
 * Where LeakSanitizer looks for leaks: in masters and workers that were told
 * to end, for these free all they had.  `nginx -t`, a signaller and a start
 * that fails return from main() with their configuration, by design.
 *
 * Part of the sanitizer build's nginx, never of the module.  The functions'
 * names and types are LeakSanitizer's and the C library's.
 */

#include <ngx_config.h>
#include <ngx_core.h>


int __lsan_is_turned_off(void);
const char *__lsan_default_suppressions(void);


/* asked at exit */

int
__lsan_is_turned_off(void)
{
    return !ngx_quit && !ngx_terminate && !ngx_exiting;
}


/* nginx 1.22 forgets the compile context of a regular expression in its
   configuration; ours are compiled elsewhere */

const char *
__lsan_default_suppressions(void)
{
    return "leak:ngx_regex_malloc\n";
}


/* a module that is unloaded takes the names in a leak's backtrace with it */

int
dlclose(void *handle)
{
    (void) handle;

    return 0;
}
