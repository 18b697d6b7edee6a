/* The native packet path: what telephony/media/path.py promises, in C.
 *
 * One core is a set of sessions, players and recordings under one lock. Either a thread of its own
 * drives it (net.c), or its owner does, by media_advance() and a clock of its own. The owner calls
 * the functions of api.c, which take the lock; everything else runs with the lock held. What the
 * owner must hear of is put into one queue (report.c), with an eventfd to wake it up: no code of
 * the owner's ever runs in the thread.
 *
 * Times are seconds of CLOCK_MONOTONIC. Positions are samples at 8 kHz, whatever clock a stream's
 * timestamps have, counted without wrapping within one run of the stream.
 */
#ifndef MEDIA_CORE_H
#define MEDIA_CORE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "recordings are written as they lie in memory: little-endian"
/* urgent.c: how the thread is scheduled */
void urgency_want(struct core *, double share);
void urgency_begin(struct core *);
void urgency_keep(struct core *);

#endif

#define RATE 8000
#define FRAME 160 /* samples of one frame of the mixing clock: 20 ms */
#define FRAME_SECONDS 0.02
#define SWEEP_SECONDS 0.1 /* how often is looked for what has timed out */
#define HEADER 12         /* octets of RTP's fixed header */
#define MAX_DATAGRAM 2048
#define MAX_AUDIO 960 /* samples of the longest packet that is decoded: 120 ms */
#define MAX_PAYLOAD_TYPES 128

/* Of concealment, in samples: a pitch period, a blend, and what a period is looked for in. */
#define SHORTEST_LAG 40
#define LONGEST_LAG 160
#define BLEND 80
#define HISTORY (2 * LONGEST_LAG)

/* -- what crosses the border to Python; telephony/media/native/core.py has the same ------------ */

/* What a payload type stands for; from CODEC_FOREIGN on the owner codes and decodes. */
enum codec { CODEC_NONE, CODEC_PCMA, CODEC_PCMU, CODEC_EVENT, CODEC_NOISE, CODEC_FOREIGN = 8 };
#define MAX_CODECS 32

/* How the thread was started. */
enum start { START_FAILED, START_USUAL, START_REAL_TIME };

/* An IPv4 or IPv6 socket address; family 0: none. */
struct address {
    uint16_t family, port; /* port in host order */
    uint32_t scope;
    uint8_t octets[16];
};

struct description {
    struct address address, signalled_from; /* of the second the host alone counts */
    uint8_t payload_type, codec;
    int16_t event_type; /* payload type of telephone-events; -1: none */
    uint16_t frame;     /* samples of a packet of mixed audio */
    uint8_t accepts[MAX_PAYLOAD_TYPES];
    uint32_t event_clock; /* what durations of telephone-events count, per second */
};

struct statistics {
    uint64_t packets_in, packets_out, octets_out;
    uint64_t lost, duplicates, discarded, strangers, malformed, unexpected;
    uint64_t concealed, late;
    double jitter, last_packet, sent_at; /* -1: never */
    int64_t ssrc_in;                     /* -1: none */
    uint32_t highest_sequence, ssrc_out, timestamp_out, reserved;
};

struct hearing { /* one entry of a row */
    uint32_t listener, source;
    float gain;
};

/* G.711 as telephony/media/g711.py has it; the arrays outlive the core. */
struct tables {
    const int16_t *alaw_to_linear, *ulaw_to_linear;     /* 256 */
    const uint8_t *linear_to_alaw, *linear_to_ulaw;     /* 65536 */
    const uint8_t *alaw_to_ulaw, *ulaw_to_alaw;         /* 256 */
};

/* A report: this header, then `length` octets, padded to 8. */
enum report {
    REPORT_LATCHED = 1, /* struct address */
    REPORT_KEY,         /* number: the key's character, seconds: how long */
    REPORT_SILENCE,     /* number: 1 silent, 0 heard again */
    REPORT_TIMEOUT,     /* seconds: without a packet */
    REPORT_PLAYED,      /* a player has ended; number: 1 if it was stopped */
    REPORT_BLOCK,       /* a recording can be drained */
    REPORT_DATAGRAM,    /* struct address, then a datagram for the session's edge */
    REPORT_CARRY,       /* a plain packet that the edge shall send */
    REPORT_DECODE,      /* number: codec, position, run; a payload to decode */
    REPORT_ENCODE,      /* a frame of int16 samples to encode and hand to media_encoded() */
    REPORT_RTCP,        /* struct address, then the peer's RTCP that came to the RTP port */
    REPORT_PRIORITY     /* number: 1 in real time again, 0 no longer; seconds: share of a core */
};

struct report_header {
    uint32_t kind, handle, length, number;
    uint64_t run;
    int64_t position;
    double seconds;
};

/* -- objects ----------------------------------------------------------------------------------- */

enum kind { KIND_SESSION = 1, KIND_PLAYER, KIND_RECORDING };

struct object { /* the beginning of everything that has a handle */
    uint32_t handle;
    enum kind kind;
    struct object *next; /* in its bucket */
};

struct packet {
    uint8_t payload_type;
    bool marker;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    const uint8_t *payload;
    size_t length;
};

/* What one peer sends: telephony/media/source.py. */
struct incoming {
    uint64_t run; /* 0: nothing yet; another number: numbering started anew */
    uint64_t received, duplicates, discarded;
    uint64_t received_before, lost_before; /* of earlier runs */
    bool has_ssrc, has_former;
    uint32_t ssrc, former_ssrc;
    double former_until;
    uint32_t first, highest; /* extended sequence numbers of this run */
    unsigned __int128 seen;  /* bit n: the packet n before the highest has been accepted */
    int32_t expected_jump;
    uint32_t audio_timestamp;
    double audio_at;
    uint32_t clock; /* of its timestamps, per second */
    uint32_t newest_timestamp;
    int64_t newest; /* the same, unwrapped */
    double transit, jitter; /* seconds (RFC 3550 §6.4.1) */
    bool has_transit;
};

/* What one peer is sent: telephony/media/relay.py. */
struct outgoing {
    uint32_t ssrc, timestamp, timestamp_offset, duration, clock;
    uint16_t sequence, sequence_offset;
    double stamped_at; /* -1: nothing sent yet */
    uint64_t run;      /* 0: the next packet is the first of another source */
};

struct session;
struct player;
struct recording;

struct hearing_state { /* one source in a listener's row */
    struct object *source;
    float gain, target; /* now, and after the next frame */
};

struct tap { /* a recording that listens to a session or player */
    struct recording *recording;
    struct channel *channel;
};

struct sound { /* a packet's audio: int16 samples (CODEC_NONE), or octets of G.711 */
    uint8_t codec;
    unsigned count; /* of samples */
    const void *data;
};

struct sides { /* of a recording: handles of sources */
    const uint32_t *left, *right;
    unsigned left_count, right_count;
};

#define VECTOR(type)                                                                               \
    struct {                                                                                       \
        type *items;                                                                               \
        unsigned count, capacity;                                                                  \
    }

enum mode { MODE_SILENT, MODE_RELAYED, MODE_MIXED };

struct key_reader { /* RFC 4733 as it comes in */
    uint64_t run;
    bool pressed;
    uint8_t code;
    uint32_t first, timestamp, duration; /* of the press, of its newest segment */
    double heard_at;
};

struct session {
    struct object object;
    struct session *previous, *following; /* in the core's list */
    struct session *ticking_previous, *ticking_following;
    bool ticking;
    int fd;
    uint16_t family;
    bool has_edge;

    bool described;
    struct description remote;
    struct address source, destination, former; /* family 0: none */
    struct address home; /* the latest in its SDP, holds included */
    double former_until, patient_until, last_packet;
    struct incoming incoming;
    struct outgoing outgoing;
    uint64_t packets_out, octets_out, strangers, malformed, unexpected;
    uint64_t concealed_before, late_before;

    enum mode mode;
    VECTOR(struct hearing_state) row;
    struct session *relayed;         /* whom its peer hears by relay, in that mode */
    VECTOR(struct session *) relays; /* whose peers hear its peer by relay */
    VECTOR(struct tap) taps;
    unsigned decoding; /* how many want this session's audio decoded */
    struct jitter *jitter;
    struct mixed *mixed;
    float *fade; /* what the first packet of a new relay is blended with, BLEND samples */
    struct key_sender *sender;
    struct key_reader reader;
    struct watcher *watcher;
    struct gatherer *gatherer;
    struct address fork;
    unsigned fork_packets;
    struct { /* of A-law made of another codec's packets: the newest one's numbers */
        uint64_t run;
        int64_t position;
        uint32_t timestamp;
        uint16_t sequence;
    } plain_fork;

    struct { /* the newest G.711 of the peer: where a mix that begins goes on */
        uint8_t octets[HISTORY], codec;
        uint16_t count;
        int64_t end; /* the position after it */
        double at;
    } recent;
    uint8_t speaks; /* the codec of its newest packet */
};

struct urgency { /* of the thread: touched by it alone once it runs */
    bool wanted, first; /* whether it goes before what is not in real time */
    double share, since, used; /* permitted; the window's beginning, and its CPU time at that */
    unsigned calm;             /* windows in a row with half of the share */
};

struct core {
    pthread_mutex_t lock; /* hands priority on: see net_lock_init() */
    struct tables tables;
    uint32_t clocks[MAX_CODECS];

    struct object **buckets;
    unsigned bucket_count, object_count;
    uint32_t newest_handle;
    struct session *sessions, *ticking;
    struct player *players;
    struct recording *recordings;
    uint64_t newest_run;

    double now;
    double next_frame, next_sweep;
    bool driven; /* by the thread */
    atomic_bool stopping;
    pthread_t thread;
    int epoll, timer, wake;
    double armed; /* for when the timer is set; 0: not */
    struct urgency urgency;

    uint8_t (*arena)[MAX_DATAGRAM]; /* datagrams of one round */
    unsigned arena_used;
    VECTOR(uint32_t) unfinished; /* sessions whose sockets may hold more */
    struct copies *copies;

    uint8_t *reports;
    size_t reports_length, reports_capacity;
    int report_fd;
};

/* -- small things ------------------------------------------------------------------------------ */

void *grown(void *items, unsigned count, unsigned *capacity, size_t size);
#define APPEND(vector, item)                                                                       \
    do {                                                                                           \
        (vector).items = grown((vector).items, (vector).count, &(vector).capacity,                 \
                               sizeof *(vector).items);                                            \
        (vector).items[(vector).count++] = (item);                                                 \
    } while (0)
#define REMOVE(vector, index) ((vector).items[index] = (vector).items[--(vector).count])

void *object_new(struct core *, enum kind, size_t);
void *object_find(struct core *, uint32_t handle, unsigned kind);
void object_forget(struct core *, struct object *);

static inline int16_t saturated(int32_t value) {
    return (int16_t)(value > 32767 ? 32767 : value < -32767 ? -32767 : value);
}
static inline bool is_g711(uint8_t codec) { return codec == CODEC_PCMA || codec == CODEC_PCMU; }
static inline bool is_foreign(uint8_t codec) { return codec >= CODEC_FOREIGN; }
static inline bool is_audio(uint8_t codec) { return is_g711(codec) || is_foreign(codec); }

/* rtp.c: single packets (RFC 3550 §5.1) */
bool rtp_is_rtcp(const uint8_t *data, size_t length);
bool rtp_parse(const uint8_t *data, size_t length, struct packet *packet);
void rtp_write_header(uint8_t *out, uint8_t payload_type, bool marker, uint16_t sequence,
                      uint32_t timestamp, uint32_t ssrc);
static inline int32_t sequence_delta(uint16_t later, uint16_t earlier) {
    return (int16_t)(uint16_t)(later - earlier);
}
static inline int32_t timestamp_delta(uint32_t later, uint32_t earlier) {
    return (int32_t)(later - earlier);
}

/* address.c */
bool address_equal(const struct address *, const struct address *);
bool address_same_host(const struct address *, const struct address *);
bool address_same_host_and_port(const struct address *, const struct address *);
socklen_t address_to_socket(const struct address *, struct sockaddr_storage *);
void address_from_socket(const struct sockaddr_storage *, struct address *);

/* stream.c: sequences of packets */
bool incoming_accept(struct core *, struct incoming *, const struct packet *, double now,
                     bool audio, uint32_t clock);
int64_t incoming_position(struct incoming *, uint32_t timestamp);
uint64_t incoming_lost(const struct incoming *);
struct numbers { /* of one packet that goes out */
    uint16_t sequence;
    uint32_t timestamp;
    bool marker;
};
void outgoing_forward(struct outgoing *, const struct packet *, uint64_t run, double now,
                      struct numbers *);
void outgoing_withhold(struct outgoing *);
void outgoing_emit(struct outgoing *, uint32_t samples, double now, struct numbers *);
uint32_t outgoing_begin_event(const struct outgoing *, double now);
void outgoing_event(struct outgoing *, uint32_t timestamp, bool begins, struct numbers *);
void outgoing_set_clock(struct outgoing *, uint32_t clock);
void outgoing_switch(struct outgoing *);

/* session.c: one leg */
struct session *session_new(struct core *, int fd, uint16_t family);
void session_free(struct core *, struct session *);
void session_describe(struct core *, struct session *, const struct description *);
void session_latch(struct session *, const struct address *);
void session_receive(struct core *, struct session *, const uint8_t *, size_t,
                     const struct address *);
void session_take_plain(struct core *, struct session *, const uint8_t *, size_t,
                        const struct address *);
void session_decoded(struct session *, uint64_t run, int64_t position, const int16_t *pcm,
                     unsigned count, double at);
bool session_send(struct core *, struct session *, const uint8_t *, size_t);
void session_send_frame(struct core *, struct session *, const uint8_t *payload, size_t length,
                        uint32_t samples);
bool session_carry(struct session *, const uint8_t *, size_t, size_t plain);
void session_statistics(const struct session *, struct statistics *);
void session_update_ticking(struct core *, struct session *);

/* rows.c: who hears whom */
void rows_replace(struct core *, struct session *listener, const struct hearing *, size_t);
void rows_refresh(struct core *, struct session *);
void rows_forget(struct core *, struct object *source);
void rows_clear(struct core *, struct session *listener);
void rows_silence(struct core *, struct object *source);
void rows_prune(struct core *, struct session *listener);
void relay(struct core *, struct session *, const struct packet *, uint8_t codec);
void session_want_decoding(struct core *, struct session *, int change);

/* conceal.c: what a missing piece may have sounded like; samples in 16-bit units */

struct concealer {
    float history[HISTORY], cycle[LONGEST_LAG];
    unsigned lag;  /* length of the cycle; 0: not found yet */
    unsigned made; /* samples made up since the last real one */
};
void conceal(struct concealer *, float *out, unsigned count);
void conceal_expect(struct concealer *, float *out, unsigned count);
void conceal_heard(struct concealer *, float *pcm, unsigned count);
unsigned pitch_lag(const float *history);
unsigned best_shift(const float *expected, unsigned width, const float *audio, unsigned length,
                    unsigned limit);
void cross_fade(const float *earlier, const float *later, float *out, unsigned count);

/* jitter.c: packets at any time in, a frame every 20 ms out */
struct jitter;
struct jitter *jitter_new(void);
void jitter_free(struct jitter *);
void jitter_prime(struct jitter *, uint64_t run, int64_t position, const float *past,
                  unsigned count, double now);
void jitter_put(struct jitter *, uint64_t run, int64_t position, const int16_t *, unsigned count,
                double now);
void jitter_noise(struct jitter *, uint8_t level);
const float *jitter_pull(struct jitter *, double at);
const float *jitter_frame(const struct jitter *); /* that of the last pull */
uint64_t jitter_concealed(const struct jitter *);
uint64_t jitter_late(const struct jitter *);

/* mix.c: the 20 ms clock */
void mix_frame(struct core *, double at);
unsigned mix_newest(const struct core *, const struct session *listener, float *out);
void mix_forget(struct session *);
bool mix_is_needed(const struct session *);
void encode_g711(const struct core *, uint8_t codec, const int16_t *, size_t, uint8_t *);
void decode_g711(const struct core *, uint8_t codec, const uint8_t *, size_t, int16_t *);

/* play.c */
uint32_t player_new(struct core *, const int16_t *const *clips, const size_t *lengths,
                    unsigned count, bool loop);
void player_tick(struct player *, double at);
const float *player_frame(const struct player *);
struct player *player_following(const struct player *);
void player_stop(struct core *, struct player *);
void player_free(struct core *, struct player *);
void player_tap(struct player *, struct tap);
void player_untap(struct player *, const struct channel *);
void players_end(struct core *, bool stopped);

/* keys.c: RFC 4733, and tones in the audio */
void keys_received(struct core *, struct session *, const struct packet *);
void key_pressed(struct core *, struct session *, char key, double seconds);
void keys_sweep(struct core *, struct session *);
void keys_send(struct core *, struct session *, const char *keys, double seconds);
bool keys_pressing(const struct session *);
bool keys_under_way(const struct session *);
void keys_frame(struct core *, struct session *);
void keys_forget(struct session *);

/* watch.c: time-outs, silence, tones */
void watch_set(struct core *, struct session *, double timeout, double silence, bool inband);
void watch_sweep(struct core *, struct session *);
void watch_frame(struct core *, struct session *, const float *frame);
void watch_forget(struct core *, struct session *);

/* fork.c: copies to the recogniser */
void fork_set(struct core *, struct session *, const struct address *, unsigned packets);
void fork_packet(struct core *, struct session *, const uint8_t *, size_t);
void fork_decoded(struct core *, struct session *, uint64_t run, int64_t position,
                  const int16_t *, unsigned count);
void fork_frame(struct core *, struct session *);
void fork_flush(struct core *);
bool fork_is_gathering(const struct session *);
void fork_close(struct core *);

/* record.c: stereo recordings */
struct recording *recording_new(struct core *);
uint32_t recording_change(struct core *, struct recording *, const struct sides *);
void recording_hear(struct tap, uint64_t run, int64_t position, const struct sound *, double at);
void recording_forget_source(struct recording *, const struct object *);
size_t recording_drain(struct core *, struct recording *, bool finish, int16_t *out, size_t room);
void recording_sweep(struct core *, struct recording *);
struct recording *recording_following(const struct recording *);
void recording_free(struct core *, struct recording *);

/* report.c: what the owner must hear of */
void report(struct core *, const struct report_header *, const void *first, size_t first_length,
            const void *second, size_t second_length);
void report_taken(struct core *);
void report_plain(struct core *, enum report, uint32_t handle, uint32_t number, double seconds);

/* net.c: sockets, the thread, time */
double clock_now(void);
double following(double now, double period);
void clock_wanted(struct core *);
void net_receive_all(struct core *);
bool net_send(int fd, const uint8_t *, size_t, const struct address *);
bool net_open(struct core *);
void net_close(struct core *);
bool net_watch(struct core *, struct session *);
void net_rearm(struct core *);
enum start net_start(struct core *, double share);
void net_lock_init(struct core *);
void net_stop(struct core *);
double due_at(const struct core *);
void do_due(struct core *, double at);

/* urgent.c: how the thread is scheduled */
void urgency_want(struct core *, double share);
void urgency_begin(struct core *);
void urgency_keep(struct core *);

#endif
