/* Handles, and lists that grow. */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 256

/* Without memory for a few hundred octets nothing of this process is of use any more. */
static void *must(void *memory) {
    if (!memory) {
        fputs("media: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *grown(void *items, unsigned count, unsigned *capacity, size_t size) {
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 2;
    return must(realloc(items, *capacity * size));
}

static struct object **bucket_of(struct core *core, uint32_t handle) {
    return &core->buckets[handle & (core->bucket_count - 1)];
}

static void spread(struct core *core) {
    unsigned former_count = core->bucket_count;
    struct object **former = core->buckets;
    core->bucket_count = former_count ? former_count * 2 : FIRST_BUCKETS;
    core->buckets = must(calloc(core->bucket_count, sizeof(struct object *)));
    for (unsigned i = 0; i < former_count; i++)
        for (struct object *next, *object = former[i]; object; object = next) {
            next = object->next;
            struct object **bucket = bucket_of(core, object->handle);
            object->next = *bucket;
            *bucket = object;
        }
    free(former);
}

/* Make an object, all zero, with a handle that was never used. */
void *object_new(struct core *core, enum kind kind, size_t size) {
    struct object *object = must(calloc(1, size));
    if (core->object_count >= core->bucket_count)
        spread(core);
    object->kind = kind;
    object->handle = ++core->newest_handle;
    struct object **bucket = bucket_of(core, object->handle);
    object->next = *bucket;
    *bucket = object;
    core->object_count++;
    return object;
}

/* Return an object of a kind, or of any kind (0); NULL: there is none. */
void *object_find(struct core *core, uint32_t handle, unsigned kind) {
    struct object *object = core->bucket_count ? *bucket_of(core, handle) : NULL;
    while (object && object->handle != handle)
        object = object->next;
    return object && (!kind || object->kind == kind) ? object : NULL;
}

void object_forget(struct core *core, struct object *object) {
    struct object **at = bucket_of(core, object->handle);
    while (*at != object)
        at = &(*at)->next;
    *at = object->next;
    core->object_count--;
    free(object);
}
