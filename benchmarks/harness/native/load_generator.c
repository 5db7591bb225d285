/* Many AudioSocket callers at once, full duplex, who note when every message of the server came.
 *
 * Each caller connects, sends its UUID and then a 20 ms frame every 20 ms on absolute deadlines, phases
 * spread over 40 slots of 0.5 ms, without waiting for the server: an open load. A third of the callers speak,
 * each from another place of the same recording; the others send the sound of a quiet line.
 *
 * Every whole message is stamped right after the recv that completed it. What is noted during the
 * measured time goes to a file when all is over, as records of `struct arrival`, to be judged elsewhere.
 * Nothing is allocated or written while it runs.
 *
 * A measuring instrument has to be better than what it measures, and has to know whether it was: it
 * reports how late its own ticks were and how much of its core it used.
 *
 * Prints "measuring" and "measured" when the measured time begins and ends, then its report as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "audiosocket.h"

enum { SLOTS = 40, FRAME_MS = 20, FRAME_BYTES = FRAME_MS * RATE_HZ / 1000 * BYTES_PER_SAMPLE };
enum { SPEAKER_EVERY = 3, EVENTS = 512, MAX_CALLS = 10000, RAMP_MS = 1000, DRAIN_MS = 200, LOOK_MS = 100 };
enum { CAPTURE_BYTES = 1 << 21, ARRIVALS_PER_SECOND = 100 };

/* benchmarks/harness/arrivals.py reads these. */
struct arrival {
    double at_s; /* CLOCK_MONOTONIC */
    uint32_t call;
    uint16_t bytes;
    uint8_t kind;
    uint8_t unused;
};

struct audio {
    unsigned char *bytes;
    size_t size; /* whole frames */
};

struct call {
    int fd;
    enum { NOT_YET, CONNECTING, TALKING, ENDED } state;
    bool heard;
    unsigned number;
    const struct audio *audio;
    size_t position;
    struct parser parser;
    unsigned char pending[HEADER_BYTES + FRAME_BYTES]; /* what the socket did not take of the last frame */
    size_t pending_bytes;
};

struct latenesses {
    float *ms;
    size_t count, capacity;
};

static struct call calls[MAX_CALLS];
static unsigned call_count = 1;
static int poller;
static int64_t received_ns, measured_from_ns, measured_until_ns;
static struct arrival *arrivals;
static size_t arrival_count, arrival_capacity;
static struct latenesses ticks;
static unsigned long sent_frames, unsent_frames, lost_arrivals;
static unsigned char *captured;
static size_t captured_bytes;

/* Zeroed and touched, so that no page fault happens while measuring. */
static void *touched(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) die("malloc");
    memset(memory, 0, bytes);
    return memory;
}

static struct audio read_audio(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    if (fseek(file, 0, SEEK_END)) die(path);
    size_t size = (size_t)ftell(file) / FRAME_BYTES * FRAME_BYTES;
    rewind(file);
    struct audio audio = {.bytes = touched(size), .size = size};
    if (!size || fread(audio.bytes, 1, size, file) != size) {
        fprintf(stderr, "%s: one frame (%d bytes of 8 kHz audio) at least is wanted\n", path, FRAME_BYTES);
        exit(2);
    }
    fclose(file);
    return audio;
}

static bool is_measured(int64_t at_ns) {
    return at_ns >= measured_from_ns && at_ns < measured_until_ns;
}

static void note_lateness(struct latenesses *latenesses, int64_t due_ns, int64_t at_ns) {
    if (is_measured(due_ns) && latenesses->count < latenesses->capacity)
        latenesses->ms[latenesses->count++] = (float)(at_ns - due_ns) / (float)MILLISECOND_NS;
}

static void end_call(struct call *call) {
    close(call->fd);
    call->state = ENDED;
}

static void dial(struct call *call, unsigned port) {
    call->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (call->fd < 0) die("socket");
    set_no_delay(call->fd);
    struct sockaddr_in address = loopback(port);
    if (connect(call->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        end_call(call);
        return;
    }
    call->state = CONNECTING;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = call};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, call->fd, &event)) die("epoll_ctl");
}

static void name_call(struct call *call) {
    int error = 0;
    socklen_t size = sizeof error;
    unsigned char message[HEADER_BYTES + UUID_BYTES] = {0};
    put_header(message, KIND_UUID, UUID_BYTES);
    message[HEADER_BYTES + 6] = 0x40; /* a version 4 UUID (RFC 9562), its last bytes the call's number */
    message[HEADER_BYTES + 8] = 0x80;
    uint32_t number = htonl(call->number + 1);
    memcpy(message + HEADER_BYTES + UUID_BYTES - sizeof number, &number, sizeof number);
    if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error ||
        send(call->fd, message, sizeof message, MSG_NOSIGNAL) != (ssize_t)sizeof message) {
        end_call(call);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = call};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, call->fd, &event)) die("epoll_ctl");
    call->state = TALKING;
}

/* Sends what is left of an earlier frame; returns whether the socket takes more. */
static bool flush_pending(struct call *call) {
    if (!call->pending_bytes) return true;
    ssize_t sent = send(call->fd, call->pending, call->pending_bytes, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    call->pending_bytes -= (size_t)sent;
    memmove(call->pending, call->pending + sent, call->pending_bytes);
    return !call->pending_bytes;
}

static void send_frame(struct call *call) {
    unsigned char message[HEADER_BYTES + FRAME_BYTES];
    put_header(message, KIND_SLIN8, FRAME_BYTES);
    memcpy(message + HEADER_BYTES, call->audio->bytes + call->position, FRAME_BYTES);
    call->position = (call->position + FRAME_BYTES) % call->audio->size;
    ssize_t sent = -1;
    if (flush_pending(call)) sent = send(call->fd, message, sizeof message, MSG_NOSIGNAL);
    if (sent < 0) {
        unsent_frames++; /* the server does not read, or has gone, which recv will show */
        return;
    }
    call->pending_bytes = sizeof message - (size_t)sent;
    memcpy(call->pending, message + sent, call->pending_bytes);
    if (is_measured(now_ns())) sent_frames++;
}

static void on_payload(void *context, unsigned kind, const unsigned char *bytes, size_t count) {
    struct call *call = context;
    if (call->number != 0 || !captured || kind != KIND_SLIN8 || !is_measured(received_ns)) return;
    if (count > CAPTURE_BYTES - captured_bytes) count = CAPTURE_BYTES - captured_bytes;
    memcpy(captured + captured_bytes, bytes, count);
    captured_bytes += count;
}

static void on_message(void *context, unsigned kind, unsigned length) {
    struct call *call = context;
    if (!is_measured(received_ns)) return;
    call->heard = true;
    if (arrival_count == arrival_capacity) {
        lost_arrivals++;
        return;
    }
    arrivals[arrival_count++] = (struct arrival){
        (double)received_ns / SECOND_NS, call->number, (uint16_t)length, (uint8_t)kind, 0};
}

static void read_call(struct call *call) {
    static unsigned char buffer[1 << 16];
    ssize_t count;
    do {
        count = recv(call->fd, buffer, sizeof buffer, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            end_call(call);
            return;
        }
        received_ns = now_ns();
        if (count > 0) parse(&call->parser, buffer, (size_t)count, on_message, on_payload, call);
    } while (count == (ssize_t)sizeof buffer);
}

/* Reads what there is, waiting until `deadline_ns` at most. */
static void read_until(int timer, int64_t deadline_ns) {
    static struct epoll_event events[EVENTS];
    struct itimerspec deadline = {.it_value = {deadline_ns / SECOND_NS, deadline_ns % SECOND_NS}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &deadline, NULL)) die("timerfd_settime");
    int count = epoll_wait(poller, events, EVENTS, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
        struct call *call = events[i].data.ptr;
        if (!call) continue; /* the timer */
        if (call->state == CONNECTING) name_call(call);
        else if (call->state == TALKING) read_call(call);
    }
}

/* Asterisk hangs up by closing. What is still under way is read first: a close before that is a reset. */
static void hang_up(int timer) {
    for (unsigned i = 0; i < call_count; i++)
        if (calls[i].state == TALKING) shutdown(calls[i].fd, SHUT_WR);
    for (int64_t until_ns = now_ns() + DRAIN_MS * MILLISECOND_NS; now_ns() < until_ns;)
        read_until(timer, until_ns);
}

static int ascending(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static double percentile(const struct latenesses *sorted, double percent) {
    if (!sorted->count) return 0.0;
    size_t rank = (size_t)((double)sorted->count * percent / 100.0 + 0.999999);
    return sorted->ms[rank ? rank - 1 : 0];
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) die(path);
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(double measured_cpu_s, double measured_s) {
    unsigned unanswered = 0, ended = 0;
    for (unsigned i = 0; i < call_count; i++) {
        unanswered += !calls[i].heard;
        ended += calls[i].state == ENDED;
    }
    qsort(ticks.ms, ticks.count, sizeof *ticks.ms, ascending);
    printf("{\"measured_from_s\": %.9f, \"measured_until_s\": %.9f, \"cpu_percent\": %.2f, "
           "\"tick_p99_ms\": %.4f, \"tick_max_ms\": %.4f, \"sent_frames\": %lu, \"unsent_frames\": %lu, "
           "\"unanswered_calls\": %u, \"ended_calls\": %u, \"lost_arrivals\": %lu}\n",
           (double)measured_from_ns / SECOND_NS, (double)measured_until_ns / SECOND_NS,
           100.0 * measured_cpu_s / measured_s, percentile(&ticks, 99), percentile(&ticks, 100), sent_frames,
           unsent_frames, unanswered, ended, lost_arrivals);
}

int main(int argc, char **argv) {
    unsigned port = 0, measure_ms = 10000, warm_up_ms = 3000;
    const char *speech_path = NULL, *quiet_path = NULL, *arrivals_path = NULL, *capture_path = NULL;
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},   {"calls", required_argument, NULL, 'n'},
        {"measure-ms", required_argument, NULL, 'm'}, {"warm-up-ms", required_argument, NULL, 'w'},
        {"speech", required_argument, NULL, 's'}, {"quiet", required_argument, NULL, 'q'},
        {"arrivals", required_argument, NULL, 'a'}, {"capture", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'p') port = whole_number(optarg, 1, 65535);
        else if (option == 'n') call_count = whole_number(optarg, 1, MAX_CALLS);
        else if (option == 'm') measure_ms = whole_number(optarg, 100, 3600000);
        else if (option == 'w') warm_up_ms = whole_number(optarg, 0, 3600000);
        else if (option == 's') speech_path = optarg;
        else if (option == 'q') quiet_path = optarg;
        else if (option == 'a') arrivals_path = optarg;
        else if (option == 'c') capture_path = optarg;
        else return 2;
    }
    if (!port || !speech_path || !quiet_path) {
        fprintf(stderr, "--port, --speech and --quiet are wanted\n");
        return 2;
    }
    struct audio speech = read_audio(speech_path), quiet = read_audio(quiet_path);
    size_t whole_seconds = measure_ms / 1000 + 1;
    arrival_capacity = call_count * whole_seconds * ARRIVALS_PER_SECOND;
    arrivals = touched(arrival_capacity * sizeof *arrivals);
    ticks.capacity = whole_seconds * SLOTS * (1000 / FRAME_MS);
    ticks.ms = touched(ticks.capacity * sizeof *ticks.ms);
    if (capture_path) captured = touched(CAPTURE_BYTES);
    for (unsigned i = 0; i < call_count; i++) {
        const struct audio *audio = i % SPEAKER_EVERY ? &quiet : &speech;
        size_t frames = audio->size / FRAME_BYTES;
        calls[i] = (struct call){.number = i, .audio = audio};
        calls[i].position = (size_t)i * frames / call_count * FRAME_BYTES;
    }
    /* Better where it is allowed; the report shows whether it was good enough. */
    struct sched_param priority = {.sched_priority = 10};
    if (mlockall(MCL_CURRENT) || sched_setscheduler(0, SCHED_RR, &priority)) errno = 0;

    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0) die("timerfd_create");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event)) die("epoll_ctl");

    const int64_t tick_ns = FRAME_MS * MILLISECOND_NS / SLOTS, start_ns = now_ns();
    const int64_t ramp_ns = (warm_up_ms / 2 < RAMP_MS ? warm_up_ms / 2 : RAMP_MS) * MILLISECOND_NS;
    measured_from_ns = start_ns + warm_up_ms * MILLISECOND_NS;
    measured_until_ns = measured_from_ns + measure_ms * MILLISECOND_NS;
    unsigned dialled = 0, slot = 0;
    int64_t began_ns = 0;
    double cpu_before_s = 0.0;
    for (int64_t due_ns = start_ns; due_ns < measured_until_ns; due_ns += tick_ns, slot = (slot + 1) % SLOTS) {
        int64_t now = now_ns();
        for (; now < due_ns; now = now_ns()) read_until(timer, due_ns);
        note_lateness(&ticks, due_ns, now);
        if (!began_ns && now >= measured_from_ns) {
            cpu_before_s = cpu_s();
            began_ns = now;
            puts("measuring");
            fflush(stdout);
        }
        while (dialled < call_count && now >= start_ns + ramp_ns * dialled / call_count)
            dial(&calls[dialled++], port);
        for (unsigned i = slot; i < dialled; i += SLOTS)
            if (calls[i].state == TALKING) send_frame(&calls[i]);
    }
    double measured_cpu_s = cpu_s() - cpu_before_s;
    double measured_s = (double)(now_ns() - began_ns) / SECOND_NS;
    puts("measured");
    fflush(stdout);
    /* Whoever reads this looks at the server while its calls still stand, and may share this core. */
    usleep(LOOK_MS * 1000);
    report(measured_cpu_s, measured_s);
    fflush(stdout);
    hang_up(timer);
    if (arrivals_path) write_file(arrivals_path, arrivals, arrival_count * sizeof *arrivals);
    if (capture_path) write_file(capture_path, captured, captured_bytes);
    return 0;
}
