/* Copies of what peers send, for the recogniser: one packet a datagram, or several (RFC 4571). */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_COPIES 64
#define GATHER_ROOM 1400 /* octets of a gathered datagram: one Ethernet frame */

struct gatherer { /* packets of one session that go out in one datagram */
    unsigned packets, length;
    double oldest;
    uint8_t data[GATHER_ROOM];
};

struct copies { /* datagrams of this round; they are sent by one call */
    int fds[2]; /* IPv4, IPv6; -1: not opened yet */
    unsigned count;
    struct sockaddr_storage to[MOST_COPIES];
    socklen_t to_length[MOST_COPIES];
    struct iovec data[MOST_COPIES];
    uint8_t six[MOST_COPIES]; /* which of the sockets */
};

static struct copies *copies_of(struct core *core) {
    if (!core->copies && (core->copies = calloc(1, sizeof *core->copies)))
        core->copies->fds[0] = core->copies->fds[1] = -1;
    return core->copies;
}

static void send_family(struct copies *copies, unsigned six) {
    struct mmsghdr headers[MOST_COPIES];
    unsigned count = 0;
    for (unsigned i = 0; i < copies->count; i++)
        if (copies->six[i] == six)
            headers[count++] = (struct mmsghdr){
                .msg_hdr = {.msg_name = &copies->to[i],
                            .msg_namelen = copies->to_length[i],
                            .msg_iov = &copies->data[i],
                            .msg_iovlen = 1}};
    if (count && copies->fds[six] < 0)
        copies->fds[six] = socket(six ? AF_INET6 : AF_INET,
                                  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    for (unsigned done = 0; done < count;) {
        int sent = sendmmsg(copies->fds[six], headers + done, count - done, MSG_DONTWAIT);
        done += sent > 0 ? (unsigned)sent : 1; /* what cannot be sent now is dropped */
    }
}

/* Send the copies of this round. */
void fork_flush(struct core *core) {
    struct copies *copies = core->copies;
    if (!copies || !copies->count)
        return;
    send_family(copies, 0);
    send_family(copies, 1);
    copies->count = 0;
}

void fork_close(struct core *core) {
    for (unsigned six = 0; core->copies && six < 2; six++)
        if (core->copies->fds[six] >= 0)
            close(core->copies->fds[six]);
    free(core->copies);
    core->copies = NULL;
}

/* The data must stay where it is until fork_flush(). */
static void copy(struct core *core, const struct session *session, const uint8_t *data,
                 size_t length) {
    struct copies *copies = copies_of(core);
    if (!copies)
        return;
    if (copies->count == MOST_COPIES)
        fork_flush(core);
    unsigned at = copies->count++;
    copies->to_length[at] = address_to_socket(&session->fork, &copies->to[at]);
    copies->data[at] = (struct iovec){(void *)data, length};
    copies->six[at] = session->fork.family == AF_INET6;
}

static void flush_gathered(struct core *core, struct session *session) {
    struct gatherer *gatherer = session->gatherer;
    if (!gatherer->packets)
        return;
    copy(core, session, gatherer->data, gatherer->length);
    fork_flush(core);
    gatherer->packets = gatherer->length = 0;
}

bool fork_is_gathering(const struct session *session) { return session->gatherer != NULL; }

void fork_set(struct core *core, struct session *session, const struct address *to,
              unsigned packets) {
    if (session->gatherer) {
        flush_gathered(core, session);
        free(session->gatherer);
        session->gatherer = NULL;
    }
    session->fork = *to;
    session->fork_packets = packets;
    if (to->family && packets > 1)
        session->gatherer = calloc(1, sizeof *session->gatherer);
    session_update_ticking(core, session);
}

void fork_packet(struct core *core, struct session *session, const uint8_t *data, size_t length) {
    struct gatherer *gatherer = session->gatherer;
    if (!gatherer) {
        copy(core, session, data, length);
        return;
    }
    if (length + 2 > GATHER_ROOM)
        return;
    if (gatherer->length + length + 2 > GATHER_ROOM)
        flush_gathered(core, session);
    if (!gatherer->packets++)
        gatherer->oldest = core->now;
    uint8_t *at = gatherer->data + gatherer->length;
    at[0] = (uint8_t)(length >> 8);
    at[1] = (uint8_t)length;
    memcpy(at + 2, data, length);
    gatherer->length += (unsigned)length + 2;
    if (gatherer->packets >= session->fork_packets)
        flush_gathered(core, session);
}

/* At a tick: nothing waits longer than as many packets take. */
void fork_frame(struct core *core, struct session *session) {
    struct gatherer *gatherer = session->gatherer;
    if (gatherer && gatherer->packets &&
        core->now - gatherer->oldest >= session->fork_packets * FRAME_SECONDS - 1e-9)
        flush_gathered(core, session);
}
