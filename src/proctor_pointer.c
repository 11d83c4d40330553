/*
 * A JSON Pointer (RFC 6901) in a document that jansson holds.
 */

#include "proctor.h"

#include <string.h>


static json_t *proctor_pointer_step(
    json_t *json, const char *token, size_t len);
static int proctor_pointer_is(const char *name, const char *token, size_t len);
static json_t *proctor_pointer_item(
    json_t *array, const char *token, size_t len);


json_t *
proctor_pointer_find(json_t *document, const char *pointer)
{
    size_t len;

    while (document != NULL && *pointer == '/') {
        pointer++;
        len = strcspn(pointer, "/");
        document = proctor_pointer_step(document, pointer, len);
        pointer += len;
    }

    return *pointer == '\0' ? document : NULL;
}


static json_t *
proctor_pointer_step(json_t *json, const char *token, size_t len)
{
    json_t *value;
    const char *name;

    if (json_is_array(json)) {
        return proctor_pointer_item(json, token, len);
    }

    if (memchr(token, '~', len) == NULL) {
        return json_object_getn(json, token, len);
    }

    json_object_foreach(json, name, value)
    {
        if (proctor_pointer_is(name, token, len)) {
            return value;
        }
    }

    return NULL;
}


/* 1 when the token, with its escapes, stands for the name */
static int
proctor_pointer_is(const char *name, const char *token, size_t len)
{
    size_t i;

    for (i = 0; i < len && *name != '\0'; i++, name++) {
        if (*name == '~' || *name == '/') {
            if (token[i] != '~' || i + 1 == len
                || token[i + 1] != (*name == '~' ? '0' : '1')) {
                return 0;
            }

            i++;

        } else if (token[i] != *name) {
            return 0;
        }
    }

    return i == len && *name == '\0';
}


static json_t *
proctor_pointer_item(json_t *array, const char *token, size_t len)
{
    size_t i, index;

    if (len == 0 || len > 9 || (len > 1 && token[0] == '0')) {
        return NULL;
    }

    for (i = 0, index = 0; i < len; i++) {
        if (token[i] < '0' || token[i] > '9') {
            return NULL;
        }

        index = index * 10 + (size_t) (token[i] - '0');
    }

    return json_array_get(array, index);
}
