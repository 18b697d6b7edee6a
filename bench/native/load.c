/* The phones of bench/media.py: G.711 packets every 20 ms from every leg, and what becomes of them.
 *
 *     load HOST LEGS
 *
 * Opens a socket for each leg and one more that only counts, the sink for forks, and prints their
 * ports on one line, the sink's last. Then obeys lines from standard input until it closes:
 *
 *     target PORT PORT ...   where each leg sends to
 *     run SECONDS            load, wait for stragglers, print one JSON object
 *
 * Legs are spread evenly over the 20 ms. A packet carries the time it was sent and who sent it; the
 * kernel stamps the time it came in, so a delay does not contain this program's own business.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LEGS 4096
#define HEADER 12
#define PAYLOAD 160
#define FRAME_NS 20000000LL
#define DRAIN_NS 300000000LL
#define SLEEP_NS 50000 /* between looks at the sockets while nothing is due */
#define BATCH 64
#define MAGIC 0x6d656469u

struct stamp { /* at the beginning of a payload */
    uint32_t magic, run, leg;
    int64_t sent_at;
} __attribute__((packed));

static struct {
    int fd;
    struct sockaddr_in target;
} legs[MAX_LEGS];
static unsigned leg_count;
static int sink, poll_fd;
static uint32_t run_number, frame_number;

static struct {
    uint64_t sent, refused, received, misdirected, others, forked;
    uint32_t *delays_ns;
    size_t capacity;
} seen;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int open_socket(const char *host, int buffer, unsigned index) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    socklen_t length = sizeof address;
    int yes = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) < 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail(host);
    printf("%d ", ntohs(address.sin_port));
    return fd;
}

static void send_frame(unsigned index) {
    unsigned char packet[HEADER + PAYLOAD];
    uint16_t sequence = htons((uint16_t)frame_number);
    uint32_t timestamp = htonl(frame_number * PAYLOAD), ssrc = htonl(index + 1);
    memset(packet + HEADER, 0xd5, PAYLOAD);
    packet[0] = 0x80;
    packet[1] = 8; /* PCMA */
    memcpy(packet + 2, &sequence, 2);
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    struct stamp stamp = {MAGIC, run_number, index, clock_ns(CLOCK_REALTIME)};
    memcpy(packet + HEADER, &stamp, sizeof stamp);
    if (sendto(legs[index].fd, packet, sizeof packet, 0, (struct sockaddr *)&legs[index].target,
               sizeof legs[index].target) == sizeof packet)
        seen.sent++;
    else
        seen.refused++;
}

static void note(unsigned index, const unsigned char *packet, size_t length, int64_t came_at) {
    struct stamp stamp;
    if (length < HEADER + sizeof stamp) {
        seen.others++;
        return;
    }
    memcpy(&stamp, packet + HEADER, sizeof stamp);
    if (stamp.magic != MAGIC)
        seen.others++; /* mixed audio, for example */
    else if (stamp.run != run_number)
        return; /* of the run before */
    else if (stamp.leg != (index ^ 1))
        seen.misdirected++;
    else {
        if (seen.received < seen.capacity)
            seen.delays_ns[seen.received] = (uint32_t)(came_at - stamp.sent_at);
        seen.received++;
    }
}

static int64_t stamp_of(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(c), sizeof time);
            return time.tv_sec * 1000000000LL + time.tv_nsec;
        }
    return 0;
}

static void receive(unsigned index) {
    static unsigned char data[BATCH][2048];
    static char control[BATCH][64];
    static struct iovec parts[BATCH];
    static struct mmsghdr headers[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){data[i], sizeof data[i]};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1,
                                             .msg_control = control[i],
                                             .msg_controllen = sizeof control[i]};
    }
    int count = recvmmsg(index == leg_count ? sink : legs[index].fd, headers,
                         index == leg_count ? BATCH : 4, MSG_DONTWAIT, NULL);
    if (index == leg_count && count > 0)
        seen.forked += (unsigned)count;
    else
        for (int i = 0; i < count; i++)
            note(index, data[i], headers[i].msg_len, stamp_of(&headers[i].msg_hdr));
}

static void receive_ready(void) {
    struct epoll_event ready[BATCH];
    int found = epoll_wait(poll_fd, ready, BATCH, 0);
    for (int i = 0; i < found; i++)
        receive(ready[i].data.u32);
}

static void load(double seconds) {
    int64_t frames = (int64_t)(seconds * 1e9) / FRAME_NS, start = clock_ns(CLOCK_MONOTONIC);
    uint32_t first = frame_number;
    int64_t packets = frames * leg_count, next = 0;
    int64_t end = start + frames * FRAME_NS + DRAIN_NS;
    for (;;) {
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        int burst = 0;
        for (; next < packets && burst < 16; next++, burst++) {
            if (start + next * FRAME_NS / leg_count > now)
                break;
            frame_number = first + (uint32_t)(next / leg_count);
            send_frame((unsigned)(next % leg_count));
        }
        if (now > end)
            break;
        receive_ready();
        int64_t due = next < packets ? start + next * FRAME_NS / leg_count : end;
        int64_t wait = due - clock_ns(CLOCK_MONOTONIC);
        if (wait > 0) {
            struct timespec pause = {0, wait < SLEEP_NS ? wait : SLEEP_NS};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
    }
    frame_number++;
}

static int ascending(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void run(double seconds) {
    memset(&seen, 0, sizeof seen);
    seen.capacity = (size_t)(seconds * 50 + 50) * leg_count;
    seen.delays_ns = malloc(seen.capacity * sizeof *seen.delays_ns);
    if (!seen.delays_ns)
        fail("memory");
    run_number++;
    load(seconds);
    size_t kept = seen.received < seen.capacity ? seen.received : seen.capacity;
    qsort(seen.delays_ns, kept, sizeof *seen.delays_ns, ascending);
    printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"misdirected\": %" PRIu64 ", \"others\": %" PRIu64 ", \"forked\": %" PRIu64,
           seen.sent, seen.refused, seen.received, seen.misdirected, seen.others, seen.forked);
    printf(", \"delay_p50_us\": %.1f, \"delay_p99_us\": %.1f}\n",
           kept ? seen.delays_ns[kept / 2] / 1e3 : 0.0,
           kept ? seen.delays_ns[kept * 99 / 100] / 1e3 : 0.0);
    fflush(stdout);
    free(seen.delays_ns);
}

static void set_targets(const char *host, char *words) {
    unsigned index = 0;
    for (char *word = strtok(words, " \n"); word && index < leg_count; word = strtok(NULL, " \n")) {
        legs[index].target =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(word))};
        inet_pton(AF_INET, host, &legs[index++].target.sin_addr);
    }
}

int main(int argc, char **argv) {
    static char line[MAX_LEGS * 8];
    struct rlimit files = {2 * MAX_LEGS, 2 * MAX_LEGS};
    leg_count = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    if (leg_count == 0 || leg_count > MAX_LEGS) {
        fprintf(stderr, "usage: %s HOST LEGS\n", argv[0]);
        return 2;
    }
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    poll_fd = epoll_create1(0);
    for (unsigned index = 0; index < leg_count; index++)
        legs[index].fd = open_socket(argv[1], 65536, index);
    sink = open_socket(argv[1], 8 << 20, leg_count);
    printf("\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "target ", 7) == 0)
            set_targets(argv[1], line + 7);
        else if (strncmp(line, "run ", 4) == 0)
            run(atof(line + 4));
    }
    return 0;
}
