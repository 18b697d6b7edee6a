/* Keys (RFC 4733), received and sent. The reference is telephony/media/dtmf.py. */
#include "core.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEYS "0123456789*#ABCD"
#define LOST_END_SECONDS 0.2 /* a press whose packets stop without an end is over after this */
#define END 0x80
#define VOLUME 10 /* -dBm0, a usual level */
#define PAUSE_TICKS 4
#define ENDS 3 /* §2.5.1.4: the last packet is sent three times */
#define MOST_WAITING 64
#define LONGEST_RESENT 1.0 /* seconds; whoever pressed the key says how long it was */

/* -- received ---------------------------------------------------------------------------------- */

/* A press is over: tell the owner, and press it anew for those who hear a mix. */
void key_pressed(struct core *core, struct session *session, char key, double seconds) {
    report_plain(core, REPORT_KEY, session->object.handle, (uint32_t)key, seconds);
    const char keys[] = {key, 0};
    for (struct session *listener = core->sessions; listener; listener = listener->following)
        for (unsigned i = 0; listener->mode == MODE_MIXED && i < listener->row.count; i++)
            if (listener->row.items[i].source == &session->object &&
                listener->row.items[i].target > 0)
                keys_send(core, listener, keys, fmin(seconds, LONGEST_RESENT));
}

static void finish(struct core *core, struct session *session) {
    struct key_reader *reader = &session->reader;
    if (!reader->pressed)
        return;
    reader->pressed = false;
    uint32_t length = reader->timestamp - reader->first + reader->duration;
    key_pressed(core, session, KEYS[reader->code], (double)length / session->remote.event_clock);
}

/* Begin a press, or a further segment of a long one (§2.5.1.3); false: a straggler. */
static bool take_timestamp(struct core *core, struct session *session,
                           const struct packet *packet, uint8_t code) {
    struct key_reader *reader = &session->reader;
    bool same_run = reader->run == session->incoming.run;
    if (same_run && packet->timestamp == reader->timestamp)
        return true;
    int32_t moved = timestamp_delta(packet->timestamp, reader->timestamp);
    if (same_run && moved < 0)
        return false;
    bool goes_on = same_run && reader->pressed && code == reader->code &&
                   (uint32_t)moved == reader->duration;
    if (!goes_on) {
        finish(core, session);
        reader->first = packet->timestamp;
        reader->code = code;
        reader->pressed = true;
    }
    reader->run = session->incoming.run;
    reader->timestamp = packet->timestamp;
    reader->duration = 0;
    return true;
}

void keys_received(struct core *core, struct session *session, const struct packet *packet) {
    struct key_reader *reader = &session->reader;
    if (packet->length < 4 || packet->payload[0] >= sizeof KEYS - 1 ||
        !take_timestamp(core, session, packet, packet->payload[0]) || !reader->pressed)
        return;
    uint16_t duration = (uint16_t)(packet->payload[2] << 8 | packet->payload[3]);
    if (duration > reader->duration)
        reader->duration = duration;
    reader->heard_at = core->now;
    if (packet->payload[1] & END)
        finish(core, session);
}

void keys_sweep(struct core *core, struct session *session) {
    if (session->reader.pressed && core->now >= session->reader.heard_at + LOST_END_SECONDS)
        finish(core, session);
}

/* -- sent -------------------------------------------------------------------------------------- */

struct key_sender {
    struct {
        uint8_t code;
        uint16_t duration;
    } waiting[MOST_WAITING];
    unsigned count, ends, pause;
    uint16_t frame; /* timestamp units of 20 ms */
    uint16_t sent;  /* of the press under way */
    uint32_t timestamp;
};

void keys_send(struct core *core, struct session *session, const char *keys, double seconds) {
    if (!session->described || session->remote.event_type < 0)
        return;
    if (!session->sender && !(session->sender = calloc(1, sizeof *session->sender)))
        return;
    struct key_sender *sender = session->sender;
    uint16_t frame = (uint16_t)(session->remote.event_clock / (RATE / FRAME));
    if (frame != sender->frame) /* described anew: what was waiting counts otherwise */
        *sender = (struct key_sender){.frame = frame};
    double frames = rint(seconds * RATE / FRAME), most = 0xffff / frame;
    frames = frames < 2 ? 2 : frames > most ? most : frames;
    for (; *keys && sender->count < MOST_WAITING; keys++) {
        const char *found = strchr(KEYS, *keys);
        if (!found)
            continue;
        sender->waiting[sender->count].code = (uint8_t)(found - KEYS);
        sender->waiting[sender->count++].duration = (uint16_t)(frames * frame);
    }
    session_update_ticking(core, session);
}

/* Whether a key is down, so that audio pauses. */
bool keys_pressing(const struct session *session) {
    return session->sender && session->sender->count && !session->sender->pause;
}

bool keys_under_way(const struct session *session) { return session->sender != NULL; }

void keys_forget(struct session *session) {
    free(session->sender);
    session->sender = NULL;
}

static void send_event(struct core *core, struct session *session, bool begins, bool ended) {
    struct key_sender *sender = session->sender;
    struct numbers numbers;
    uint8_t packet[HEADER + 4];
    uint16_t duration = htons(sender->sent);
    if (!session->destination.family || session->remote.event_type < 0)
        return;
    outgoing_event(&session->outgoing, sender->timestamp, begins, &numbers);
    rtp_write_header(packet, (uint8_t)session->remote.event_type, numbers.marker,
                     numbers.sequence, numbers.timestamp, session->outgoing.ssrc);
    packet[HEADER] = sender->waiting[0].code;
    packet[HEADER + 1] = (uint8_t)(VOLUME | (ended ? END : 0));
    memcpy(packet + HEADER + 2, &duration, 2);
    session_send(core, session, packet, sizeof packet);
}

/* The packet that is due at this tick. */
void keys_frame(struct core *core, struct session *session) {
    struct key_sender *sender = session->sender;
    if (!sender)
        return;
    if (sender->pause) {
        sender->pause--;
        return;
    }
    if (!sender->count) {
        keys_forget(session);
        return;
    }
    uint16_t whole = sender->waiting[0].duration;
    bool begins = sender->sent == 0;
    if (begins)
        sender->timestamp = outgoing_begin_event(&session->outgoing, core->now);
    sender->sent =
        whole - sender->sent > sender->frame ? (uint16_t)(sender->sent + sender->frame) : whole;
    bool ended = sender->sent == whole;
    send_event(core, session, begins, ended);
    if (ended && ++sender->ends == ENDS) {
        sender->count--;
        memmove(sender->waiting, sender->waiting + 1, sender->count * sizeof *sender->waiting);
        sender->sent = 0;
        sender->ends = 0;
        sender->pause = PAUSE_TICKS;
    }
}
