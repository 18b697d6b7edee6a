/* RTP packets (RFC 3550 §5.1): octets to fields and back. */
#include "core.h"

#include <arpa/inet.h>
#include <string.h>

static uint16_t word(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint32_t long_word(const uint8_t *at) { return (uint32_t)word(at) << 16 | word(at + 2); }

/* On a port that both share (RFC 5761 §4). */
bool rtp_is_rtcp(const uint8_t *data, size_t length) {
    return length > 1 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223;
}

/* Fill `packet`, whose payload points into `data`; false: it is not RTP. */
bool rtp_parse(const uint8_t *data, size_t length, struct packet *packet) {
    if (length < HEADER || data[0] >> 6 != 2)
        return false;
    size_t start = HEADER + 4u * (data[0] & 0x0f), end = length;
    if (data[0] & 0x10) { /* §5.3.1: 16 bits of profile, then the length in 32-bit words */
        if (start + 4 > end)
            return false;
        start += 4 + 4u * word(data + start + 2);
    }
    if (data[0] & 0x20) { /* the last octet counts the padding, itself included */
        uint8_t padding = data[length - 1];
        if (padding == 0 || padding > end)
            return false;
        end -= padding;
    }
    if (start > end)
        return false;
    packet->payload_type = data[1] & 0x7f;
    packet->marker = data[1] >> 7;
    packet->sequence = word(data + 2);
    packet->timestamp = long_word(data + 4);
    packet->ssrc = long_word(data + 8);
    packet->payload = data + start;
    packet->length = end - start;
    return true;
}

void rtp_write_header(uint8_t *out, uint8_t payload_type, bool marker, uint16_t sequence,
                      uint32_t timestamp, uint32_t ssrc) {
    sequence = htons(sequence);
    timestamp = htonl(timestamp);
    ssrc = htonl(ssrc);
    out[0] = 0x80;
    out[1] = (uint8_t)(marker << 7 | payload_type);
    memcpy(out + 2, &sequence, 2);
    memcpy(out + 4, &timestamp, 4);
    memcpy(out + 8, &ssrc, 4);
}
