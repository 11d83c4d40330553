/*
 * Files of the tests, whole: what fails ends the test.
 */

#ifndef UNIT_FILES_H_INCLUDED
#define UNIT_FILES_H_INCLUDED

#include <stdio.h>
#include <stdlib.h>


static void
files_spew(const char *path, const void *bytes, size_t len)
{
    FILE *file;

    file = fopen(path, "w");

    if (file == NULL || fwrite(bytes, 1, len, file) != len
        || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}


/* malloc'ed, with a NUL behind it */

static char *
files_slurp(const char *path, size_t *len)
{
    char *bytes;
    FILE *file;
    size_t room;

    file = fopen(path, "r");
    bytes = NULL;

    if (file == NULL) {
        perror(path);
        exit(1);
    }

    for (*len = 0, room = 4096;; room *= 2) {
        bytes = realloc(bytes, room);
        *len += fread(bytes + *len, 1, room - 1 - *len, file);

        if (*len < room - 1) {
            break;
        }
    }

    fclose(file);
    bytes[*len] = '\0';

    return bytes;
}

#endif /* UNIT_FILES_H_INCLUDED */
