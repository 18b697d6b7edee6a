/* Copies of what peers send, for the recogniser: one packet a datagram, or several (RFC 4571). */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_COPIES 64
#define A_LAW 8
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

/* Copy audio of a codec that the recogniser may not know: as A-law (RFC 3551: payload type 8), under
 * the complement of the peer's SSRC; what came late is left out. telephony/media/plain_fork.py. */
void fork_decoded(struct core *core, struct session *session, uint64_t run, int64_t position,
                  const int16_t *pcm, unsigned count) {
    uint8_t packet[HEADER + MAX_AUDIO];
    if (!session->fork.family || !count)
        return;
    if (run == session->plain_fork.run) {
        if (position <= session->plain_fork.position)
            return;
        session->plain_fork.timestamp += (uint32_t)(position - session->plain_fork.position);
    }
    session->plain_fork.run = run;
    session->plain_fork.position = position;
    rtp_write_header(packet, A_LAW, false, ++session->plain_fork.sequence,
                     session->plain_fork.timestamp, ~session->incoming.ssrc);
    encode_g711(core, CODEC_PCMA, pcm, count, packet + HEADER);
    fork_packet(core, session, packet, HEADER + count);
    fork_flush(core);
}

/* At a tick: nothing waits longer than as many packets take. */
void fork_frame(struct core *core, struct session *session) {
    struct gatherer *gatherer = session->gatherer;
    if (gatherer && gatherer->packets &&
        core->now - gatherer->oldest >= session->fork_packets * FRAME_SECONDS - 1e-9)
        flush_gathered(core, session);
}
