/* Whether the packet thread goes before what is not in real time (sched(7), SCHED_FIFO).
 *
 * There it would also go before whoever could say that it has too much to do. So it keeps to a share
 * of its core, beyond which it is one among equals until it has long had less to do; forks nobody who
 * would be as urgent; and is ended by the kernel should it ever run on and on. */
#include "core.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_SECONDS 1.0     /* over which its share is measured */
#define CALM_WINDOWS 10        /* with half of its share, before it is urgent again */
#define LONGEST_RUN_US 2000000 /* without waiting for anything: RLIMIT_RTTIME */
#define SLICE_NS 100000UL
#define RESET_ON_FORK 1 /* of sched_setattr(2), which says SCHED_RESET_ON_FORK by another number */

/* Ask to be run in short slices: then whoever has long ones, as Python while it takes recordings, is
 * interrupted when packets come instead of finishing its 2.8 ms (Linux 6.12 and later: sched(7), the
 * slice of EEVDF; earlier ones pass over it). It takes no privilege and no more time in all. */
static void run_in_short_slices(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes, .runtime = SLICE_NS};
    int policy = sched_getscheduler(0);
    if ((policy & ~SCHED_RESET_ON_FORK) != SCHED_OTHER) /* it was started with better than that */
        return;
    attributes.flags = policy & SCHED_RESET_ON_FORK ? RESET_ON_FORK : 0;
    attributes.nice = getpriority(PRIO_PROCESS, 0);
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static double thread_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool go_first(void) {
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0;
}

static void go_with_all(void) {
    struct sched_param usual = {0};
    sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &usual);
    run_in_short_slices();
}

/* Give priority up when it takes too much, take it again when there is little to do. */
void urgency_keep(struct core *core) {
    struct urgency *urgency = &core->urgency;
    if (!urgency->wanted || core->now < urgency->since + WINDOW_SECONDS)
        return;
    double used = thread_seconds(), share = (used - urgency->used) / (core->now - urgency->since);
    bool first = urgency->first;
    urgency->since = core->now;
    urgency->used = used;
    urgency->calm = share < urgency->share / 2 ? urgency->calm + 1 : 0;
    if (first && share > urgency->share) {
        go_with_all();
        urgency->first = false;
    } else if (!first && urgency->calm >= CALM_WINDOWS)
        urgency->first = go_first();
    if (urgency->first != first)
        report_plain(core, REPORT_PRIORITY, 0, urgency->first, share);
}

/* Whatever runs in real time for so long without waiting is caught in a loop: SIGXCPU ends the
 * process, and another takes its place. */
static void limit_runs(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) != 0 || limit.rlim_cur <= LONGEST_RUN_US)
        return;
    limit.rlim_cur = limit.rlim_max < LONGEST_RUN_US ? limit.rlim_max : LONGEST_RUN_US;
    setrlimit(RLIMIT_RTTIME, &limit);
}

/* `share`: of a core, up to which the thread will go before all others; 0: never. */
void urgency_want(struct core *core, double share) {
    core->urgency = (struct urgency){.wanted = share > 0, .first = share > 0, .share = share};
    if (share > 0)
        limit_runs();
}

/* The thread has begun. */
void urgency_begin(struct core *core) {
    if (core->urgency.first)
        go_first(); /* once more: attributes of a thread cannot say that its children are not */
    else
        run_in_short_slices();
    core->urgency.since = clock_now();
    core->urgency.used = thread_seconds();
}
