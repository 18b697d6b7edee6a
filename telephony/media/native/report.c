/* What the owner must hear of: one queue of octets, and an eventfd that wakes it up. */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 4096
#define MOST_WAITING (4u << 20) /* octets; beyond that audio is dropped, which is late anyway */

static bool make_room(struct core *core, size_t length) {
    size_t wanted = core->reports_length + length, room = core->reports_capacity;
    if (wanted <= room)
        return true;
    for (room = room ? room : FIRST_ROOM; room < wanted;)
        room *= 2;
    uint8_t *grown = realloc(core->reports, room);
    if (!grown)
        return false;
    core->reports = grown;
    core->reports_capacity = room;
    return true;
}

void report(struct core *core, const struct report_header *header, const void *first,
            size_t first_length, const void *second, size_t second_length) {
    struct report_header whole = *header;
    size_t length = first_length + second_length, padded = (length + 7) & ~(size_t)7;
    bool carries_audio = header->kind >= REPORT_DATAGRAM;
    if (carries_audio && core->reports_length > MOST_WAITING)
        return;
    if (!make_room(core, sizeof whole + padded))
        return;
    whole.length = (uint32_t)length;
    uint8_t *at = core->reports + core->reports_length;
    memcpy(at, &whole, sizeof whole);
    at += sizeof whole;
    memset(at, 0, padded);
    if (first_length)
        memcpy(at, first, first_length);
    if (second_length)
        memcpy(at + first_length, second, second_length);
    if (core->reports_length == 0) {
        uint64_t one = 1;
        if (write(core->report_fd, &one, sizeof one) < 0) {
            /* It is readable already: that is all it is for. */
        }
    }
    core->reports_length += sizeof whole + padded;
}

/* The queue is empty: let the file descriptor say so. */
void report_taken(struct core *core) {
    uint64_t count;
    if (read(core->report_fd, &count, sizeof count) < 0) {
        /* It said so already. */
    }
}

void report_plain(struct core *core, enum report kind, uint32_t handle, uint32_t number,
                  double seconds) {
    struct report_header header = {
        .kind = kind, .handle = handle, .number = number, .seconds = seconds};
    report(core, &header, NULL, 0, NULL, 0);
}
