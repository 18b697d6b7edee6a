/* Sockets, time, and the thread that drives a core. */
#include "core.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 128 /* datagrams that are in memory at once */
#define AT_ONCE 8 /* datagrams of one socket in one round */
#define WAKE 0    /* in place of a session's handle */
#define TIMER UINT32_MAX

/* While packets come in so fast that this is shorter than what several take to come, the thread
 * sleeps so long and then takes them all: to be woken up for each costs more than the packet. */
#define NAP_NS 250000L
#define BUSY 2 /* datagrams of a round from which on it pays */

double clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

bool net_open(struct core *core) {
    core->epoll = epoll_create1(EPOLL_CLOEXEC);
    core->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    core->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    core->report_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    core->arena = malloc(BATCH * sizeof *core->arena);
    struct epoll_event wake = {.events = EPOLLIN, .data.u32 = WAKE};
    struct epoll_event timer = {.events = EPOLLIN, .data.u32 = TIMER};
    return core->epoll >= 0 && core->timer >= 0 && core->wake >= 0 && core->report_fd >= 0 &&
           core->arena && epoll_ctl(core->epoll, EPOLL_CTL_ADD, core->wake, &wake) == 0 &&
           epoll_ctl(core->epoll, EPOLL_CTL_ADD, core->timer, &timer) == 0;
}

void net_close(struct core *core) {
    fork_close(core);
    free(core->unfinished.items);
    free(core->arena);
    close(core->epoll);
    close(core->timer);
    close(core->wake);
    close(core->report_fd);
}

bool net_watch(struct core *core, struct session *session) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = session->object.handle};
    return epoll_ctl(core->epoll, EPOLL_CTL_ADD, session->fd, &event) == 0;
}

bool net_send(int fd, const uint8_t *data, size_t length, const struct address *to) {
    struct sockaddr_storage socket_address;
    socklen_t size = address_to_socket(to, &socket_address);
    return sendto(fd, data, length, MSG_DONTWAIT, (struct sockaddr *)&socket_address, size) ==
           (ssize_t)length;
}

/* What recvmmsg() fills: a slot of the arena for each datagram, and who sent it. */
static void prepare(struct core *core, struct mmsghdr *headers, struct iovec *parts,
                    struct sockaddr_storage *from) {
    for (unsigned i = 0; i < AT_ONCE; i++) {
        parts[i] = (struct iovec){core->arena[core->arena_used + i], MAX_DATAGRAM};
        headers[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                             .msg_namelen = sizeof from[i],
                                             .msg_iov = &parts[i],
                                             .msg_iovlen = 1};
    }
}

static void finish_round(struct core *core) {
    fork_flush(core);
    core->arena_used = 0;
}

/* Take up to AT_ONCE datagrams of a session's socket; return how many, -1: an error lay in front.
 *
 * A session may be closed by what its own packet leads to only by its owner, which has to wait. */
static int receive_some(struct core *core, struct session *session) {
    struct mmsghdr headers[AT_ONCE];
    struct iovec parts[AT_ONCE];
    struct sockaddr_storage from[AT_ONCE];
    if (core->arena_used + AT_ONCE > BATCH)
        finish_round(core); /* copies point into it */
    prepare(core, headers, parts, from);
    int count = recvmmsg(session->fd, headers, AT_ONCE, MSG_DONTWAIT, NULL);
    if (count < 0) /* the report that an earlier packet did not arrive is no end of the queue */
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EBADF ? 0 : -1;
    for (int i = 0; i < count; i++) {
        struct address source;
        address_from_socket(&from[i], &source);
        session_receive(core, session, core->arena[core->arena_used++], headers[i].msg_len,
                        &source);
    }
    return count;
}

/* Take what one socket has, but not so much that the others have to wait: the rest comes in the
 * next round. Sockets are watched for new datagrams (EPOLLET), so what is left must be kept in
 * mind. */
static unsigned receive_from(struct core *core, uint32_t handle) {
    struct session *session = object_find(core, handle, KIND_SESSION);
    if (!session)
        return 0;
    int count = receive_some(core, session);
    if (count < 0 || count == AT_ONCE)
        APPEND(core->unfinished, handle);
    return count > 0 ? (unsigned)count : 0;
}

static unsigned receive_ready(struct core *core, const struct epoll_event *ready, int count) {
    unsigned received = 0, left = core->unfinished.count;
    for (unsigned i = 0; i < left; i++)
        received += receive_from(core, core->unfinished.items[i]);
    core->unfinished.count -= left;
    if (core->unfinished.count)
        memmove(core->unfinished.items, core->unfinished.items + left,
                core->unfinished.count * sizeof *core->unfinished.items);
    for (int i = 0; i < count; i++)
        received += receive_from(core, ready[i].data.u32);
    finish_round(core);
    return received;
}

/* Without the thread: take everything that waits. */
void net_receive_all(struct core *core) {
    for (struct session *session = core->sessions; session; session = session->following)
        while (receive_some(core, session) != 0) {
        }
    finish_round(core);
}

/* -- time -------------------------------------------------------------------------------------- */

/* The next of the moments that lie on a grid. */
double following(double now, double period) {
    return (floor(now / period + 1e-6) + 1) * period;
}

/* Somebody begins to need the 20 ms clock, which may have stood still. */
void clock_wanted(struct core *core) {
    if (!core->ticking && !core->players)
        core->next_frame = following(core->now, FRAME_SECONDS);
}

/* When do_due() wants to be called. */
double due_at(const struct core *core) {
    bool frames = core->ticking || core->players;
    return frames && core->next_frame < core->next_sweep ? core->next_frame : core->next_sweep;
}

static void sweep(struct core *core) {
    for (struct session *session = core->sessions; session; session = session->following) {
        keys_sweep(core, session);
        watch_sweep(core, session);
    }
    struct recording *recording = core->recordings;
    for (; recording; recording = recording_following(recording))
        recording_sweep(core, recording);
}

/* Do what is due at one moment. */
void do_due(struct core *core, double at) {
    core->now = at;
    if ((core->ticking || core->players) && at >= core->next_frame - 1e-9)
        mix_frame(core, at);
    core->next_frame = following(at, FRAME_SECONDS);
    if (at >= core->next_sweep - 1e-9) {
        sweep(core);
        core->next_sweep = following(at, SWEEP_SECONDS);
    }
}

/* -- the thread -------------------------------------------------------------------------------- */

/* A lock that goes straight to who has waited for it, so that neither the thread nor its owner can
 * take it again and again before the other's eyes; and that lends its holder the priority of who
 * waits, or an owner who is interrupted with the lock would keep a thread in real time waiting. */
void net_lock_init(struct core *core) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    if (pthread_mutex_init(&core->lock, &attributes) != 0) /* a kernel without such locks */
        pthread_mutex_init(&core->lock, NULL);
    pthread_mutexattr_destroy(&attributes);
}

/* Let the timer go off when something is due. */
void net_rearm(struct core *core) {
    double due = due_at(core);
    if (!core->driven || due == core->armed)
        return;
    core->armed = due;
    double seconds = floor(due);
    struct itimerspec when = {.it_value = {(time_t)seconds, (long)((due - seconds) * 1e9)}};
    timerfd_settime(core->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void catch_up(struct core *core, double now) {
    /* After a stall the frames that were missed are made up for, but not for ever. */
    for (int frames = 0; due_at(core) <= now && frames < 10; frames++)
        do_due(core, due_at(core));
    if (due_at(core) <= now)
        do_due(core, now);
    core->now = now;
}

static unsigned round_of(struct core *core, int timeout) {
    struct epoll_event ready[BATCH];
    int count = epoll_wait(core->epoll, ready, BATCH, core->unfinished.count ? 0 : timeout);
    pthread_mutex_lock(&core->lock);
    core->now = clock_now();
    unsigned received = receive_ready(core, ready, count);
    catch_up(core, core->now);
    urgency_keep(core);
    net_rearm(core);
    pthread_mutex_unlock(&core->lock);
    return received;
}

static void *run(void *argument) {
    struct core *core = argument;
    const struct timespec nap = {0, NAP_NS};
    bool busy = false;
    prctl(PR_SET_NAME, "media");
    prctl(PR_SET_TIMERSLACK, 50000UL);
    urgency_begin(core);
    while (!atomic_load(&core->stopping)) {
        busy = round_of(core, busy ? 0 : -1) >= BUSY;
        if (busy)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
    }
    return NULL;
}

/* Start the thread in the lowest of the real-time priorities; false: the system does not permit it. */
static bool start_in_real_time(struct core *core) {
    pthread_attr_t attributes;
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &lowest);
    bool started = pthread_create(&core->thread, &attributes, run, core) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

/* `share`: of a core, up to which the thread goes before all others; 0: it never does. */
enum start net_start(struct core *core, double share) {
    core->driven = true;
    core->now = clock_now();
    core->next_frame = following(core->now, FRAME_SECONDS);
    core->next_sweep = following(core->now, SWEEP_SECONDS);
    net_rearm(core);
    urgency_want(core, share);
    if (share > 0 && start_in_real_time(core))
        return START_REAL_TIME;
    urgency_want(core, 0);
    if (pthread_create(&core->thread, NULL, run, core) == 0)
        return START_USUAL;
    core->driven = false;
    return START_FAILED;
}

void net_stop(struct core *core) {
    uint64_t one = 1;
    if (!core->driven)
        return;
    atomic_store(&core->stopping, true);
    while (write(core->wake, &one, sizeof one) < 0 && errno == EINTR) {
    }
    pthread_join(core->thread, NULL);
    core->driven = false;
}
