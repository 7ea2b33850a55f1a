// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A change is made at once, but the reply waits until portfwd has taken note
 * of it: who reads it finds the port served, or free to be bound again. Where
 * portfwd doesn't answer, "incomplete" says so.
 */
#include "setup/helper/control_ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netstack/base/list.h"
#include "netstack/base/log.h"
#include "setup/helper/control_json.h"
#include "setup/helper/publisher.h"

/* What a call waits for; control_call.state. */
enum { LIST, ADDED, REMOVED, HOSTFWD_ADDED, HOSTFWD_REMOVED };

static enum control_ports_next later(struct control_call *call, int state,
				     uint32_t id)
{
	call->state = state;
	call->id = id;
	return CONTROL_PORTS_LATER;
}

__attribute__((format(printf, 2, 3))) static enum control_ports_next
bad(struct control_call *call, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	control_error(call, "bad request: %s", text);
	return CONTROL_PORTS_DONE;
}

/* Return: 0 or -errno, with @why for the client */
static int publish(const struct control_facts *f, const struct spec *spec,
		   uint32_t *id, char *why, size_t cap)
{
	int rc;

	log_hold(why, cap);
	rc = f->publish(f->arg, spec, id);
	log_hold(NULL, 0);
	return rc;
}

/* ---- our own ---- */

static enum control_ports_next verb_ports(const struct control_facts *f,
					  struct control_call *call,
					  const json_t *arguments)
{
	(void)f;
	(void)arguments;
	return later(call, LIST, 0);
}

static enum control_ports_next verb_add(const struct control_facts *f,
					struct control_call *call,
					const json_t *arguments)
{
	const char *text =
		json_string_value(json_object_get(arguments, "spec"));
	char why[SPEC_ERR_MAX + 80];
	struct spec spec;
	uint32_t id;

	if (!text)
		return bad(call, "add_port: no string \"spec\"");
	if (spec_parse(text, &spec, why))
		return bad(call, "add_port: %.40s: %s", text, why);
	if (publish(f, &spec, &id, why, sizeof(why))) {
		control_error(call, "%s", why);
		return CONTROL_PORTS_DONE;
	}
	return later(call, ADDED, id);
}

/* Return: NULL: the call has its reply */
static struct published *find_text(const struct control_facts *f,
				   struct control_call *call, const char *text)
{
	char why[SPEC_ERR_MAX];
	struct published *p;
	struct spec spec;
	size_t n;

	if (spec_parse(text, &spec, why)) {
		bad(call, "remove_port: %.40s: %s", text, why);
		return NULL;
	}
	p = publisher_match(f->publisher, &spec, &n);
	if (n > 1)
		control_error(call, "%.64s: %zu are published (name the id)",
			      text, n);
	else if (!p)
		control_error(call, "%.64s: not published", text);
	return n == 1 ? p : NULL;
}

static struct published *find_id(const struct control_facts *f,
				 const json_t *arguments)
{
	json_int_t id = json_integer_value(json_object_get(arguments, "id"));

	return id > 0 && id <= UINT32_MAX
		       ? publisher_find(f->publisher, (uint32_t)id)
		       : NULL;
}

static enum control_ports_next verb_remove(const struct control_facts *f,
					   struct control_call *call,
					   const json_t *arguments)
{
	const char *text =
		json_string_value(json_object_get(arguments, "spec"));
	const json_t *id = json_object_get(arguments, "id");
	const json_t *drop = json_object_get(arguments, "drop");
	struct published *p;

	if (!text == !json_is_integer(id))
		return bad(call, "remove_port: either \"spec\" or \"id\"");
	if (drop && !json_is_boolean(drop))
		return bad(call, "remove_port: \"drop\" is no boolean");
	p = text ? find_text(f, call, text) : find_id(f, arguments);
	if (!p && !text)
		control_error(call, "id %lld: not published",
			      (long long)json_integer_value(id));
	if (!p)
		return CONTROL_PORTS_DONE;
	later(call, REMOVED, p->id);
	f->unpublish(f->arg, p, json_is_true(drop));
	return CONTROL_PORTS_LATER;
}

/* ---- slirp4netns' ---- */

#define HOSTFWD_FAILED "bad request: add_hostfwd: slirp_add_hostfwd failed: "

/* Missing or "": unspecified. Return: false: it is no IPv4 address */
static bool hostfwd_addr(const json_t *arguments, const char *key,
			 struct ip *out)
{
	static const struct ip any = { .family = AF_INET };
	const json_t *v = json_object_get(arguments, key);
	const char *text = v ? json_string_value(v) : "";

	*out = any;
	return text &&
	       (!*text || (!ip_parse(text, out) && out->family == AF_INET));
}

static bool hostfwd_port(const json_t *arguments, const char *key,
			 uint16_t *out)
{
	json_int_t n = json_integer_value(json_object_get(arguments, key));

	*out = (uint16_t)n;
	return n > 0 && n <= UINT16_MAX;
}

static bool hostfwd_proto(const json_t *arguments, enum spec_proto *out)
{
	const char *text =
		json_string_value(json_object_get(arguments, "proto"));

	if (!text)
		return false;
	*out = strcmp(text, "udp") == 0 ? SPEC_UDP : SPEC_TCP;
	return *out == SPEC_UDP || strcmp(text, "tcp") == 0;
}

/* Any address that the pod may have: by a lease, or on a bridge of its own. */
static bool hostfwd_guest(const struct control_facts *f, const struct ip *guest,
			  struct spec *out)
{
	if (ip_is_any(guest) || ip_equal(guest, &f->pod->pod4))
		return true;
	if (f->forward->kind || ip_is_loopback(guest) ||
	    ip_is_linklocal(guest) || ip_is_multicast(guest) ||
	    ip_equal(guest, &f->pod->gw4) || ip_equal(guest, &f->pod->dns4))
		return false;
	out->pod_addr = *guest;
	return true;
}

/* In the order in which slirp4netns looks. Return: NULL, or what is wrong */
static const char *hostfwd_spec(const struct control_facts *f, const json_t *a,
				struct spec *out)
{
	struct ip guest;

	*out = (struct spec){ .count = 1 };
	if (!hostfwd_proto(a, &out->proto))
		return "proto";
	if (!hostfwd_addr(a, "host_addr", &out->host_addr))
		return "host_addr";
	if (!hostfwd_port(a, "host_port", &out->host_port))
		return "host_port";
	if (!hostfwd_addr(a, "guest_addr", &guest) ||
	    !hostfwd_guest(f, &guest, out))
		return "guest_addr";
	return hostfwd_port(a, "guest_port", &out->pod_port) ? NULL
							     : "guest_port";
}

static enum control_ports_next verb_add_hostfwd(const struct control_facts *f,
						struct control_call *call,
						const json_t *arguments)
{
	struct spec spec;
	const char *wrong = hostfwd_spec(f, arguments, &spec);
	char why[160];
	uint32_t id;

	if (wrong)
		return bad(call, "add_hostfwd: bad arguments.%s", wrong);
	if (publish(f, &spec, &id, why, sizeof(why))) {
		control_error(call, HOSTFWD_FAILED "%s", why);
		return CONTROL_PORTS_DONE;
	}
	return later(call, HOSTFWD_ADDED, id);
}

/* The manual has the entries in "return", the program has them beside it. */
static enum control_ports_next verb_list_hostfwd(const struct control_facts *f,
						 struct control_call *call,
						 const json_t *arguments)
{
	json_t *list = control_json_hostfwd(f);

	(void)arguments;
	control_envelope(call, json_pack("{s:{s:O}, s:o}", "return", "entries",
					 list, "entries", list));
	return CONTROL_PORTS_DONE;
}

static enum control_ports_next
verb_remove_hostfwd(const struct control_facts *f, struct control_call *call,
		    const json_t *arguments)
{
	struct published *p = find_id(f, arguments);

	if (!p)
		return bad(call, "remove_hostfwd: bad arguments.id");
	later(call, HOSTFWD_REMOVED, p->id);
	f->unpublish(f->arg, p, false);
	return CONTROL_PORTS_LATER;
}

/* ---- both ---- */

static const struct {
	const char *name;
	enum control_ports_next (*fn)(const struct control_facts *f,
				      struct control_call *call,
				      const json_t *arguments);
} verbs[] = {
	{ "add_hostfwd", verb_add_hostfwd },
	{ "add_port", verb_add },
	{ "list_hostfwd", verb_list_hostfwd },
	{ "ports", verb_ports },
	{ "remove_hostfwd", verb_remove_hostfwd },
	{ "remove_port", verb_remove },
};

enum control_ports_next control_ports_begin(const struct control_facts *facts,
					    struct control_call *call,
					    const char *verb,
					    const json_t *arguments)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, verb) == 0)
			return verbs[i].fn(facts, call, arguments);
	return CONTROL_PORTS_UNKNOWN;
}

/* What was added may be gone again: portfwd couldn't take it. */
static bool is_there(const struct control_facts *f, struct control_call *call)
{
	if (publisher_find(f->publisher, call->id))
		return true;
	control_error(call,
		      "%snot published: too many open files, or it was "
		      "removed meanwhile",
		      call->state == HOSTFWD_ADDED ? HOSTFWD_FAILED : "");
	return false;
}

void control_ports_end(const struct control_facts *facts,
		       struct control_call *call, bool whole)
{
	switch (call->state) {
	case LIST:
		control_return(call, control_json_ports(facts, 0, whole));
		break;
	case ADDED:
		if (is_there(facts, call))
			control_return(call, control_json_ports(facts, call->id,
								whole));
		break;
	case REMOVED:
		control_return(call,
			       json_pack("{s:i, s:I, s:o}", "schema",
					 CONTROL_SCHEMA, "id",
					 (json_int_t)call->id, "incomplete",
					 control_json_missing(whole)));
		break;
	case HOSTFWD_ADDED:
		if (is_there(facts, call))
			control_return(call, json_pack("{s:I}", "id",
						       (json_int_t)call->id));
		break;
	case HOSTFWD_REMOVED:
	default:
		control_return(call, json_object());
		break;
	}
}
