/* Socket addresses of both families in one shape. */
#include "core.h"

#include <arpa/inet.h>
#include <string.h>

static size_t octets_of(uint16_t family) { return family == AF_INET6 ? 16 : 4; }

bool address_same_host(const struct address *one, const struct address *other) {
    return one->family == other->family && one->family != 0 &&
           memcmp(one->octets, other->octets, octets_of(one->family)) == 0;
}

bool address_same_host_and_port(const struct address *one, const struct address *other) {
    return one->port == other->port && address_same_host(one, other);
}

bool address_equal(const struct address *one, const struct address *other) {
    return address_same_host_and_port(one, other) && one->scope == other->scope;
}

socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *out) {
    if (address->family == AF_INET6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                     .sin6_port = htons(address->port),
                                     .sin6_scope_id = address->scope};
        memcpy(&six->sin6_addr, address->octets, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
    memcpy(&four->sin_addr, address->octets, 4);
    return sizeof *four;
}

void address_from_socket(const struct sockaddr_storage *from, struct address *out) {
    memset(out, 0, sizeof *out);
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        out->family = AF_INET6;
        out->port = ntohs(six->sin6_port);
        out->scope = six->sin6_scope_id;
        memcpy(out->octets, &six->sin6_addr, 16);
    } else if (from->ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)from;
        out->family = AF_INET;
        out->port = ntohs(four->sin_port);
        memcpy(out->octets, &four->sin_addr, 4);
    }
}
