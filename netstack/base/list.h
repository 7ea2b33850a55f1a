/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Intrusive doubly linked list, circular with a head; and container_of. */

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Is this element on a list? Only after list_init() or list_del(). */
static inline bool list_linked(const struct list *l)
{
	return l->next != l;
}

static inline void list_append(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

/* Harmless on an element that is on no list. */
static inline void list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* Move all elements of @from to @to, which is initialised. */
static inline void list_move(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#define list_for_each(pos, head)                                               \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* The current element may be deleted in the body, no other one. */
#define list_for_each_safe(pos, head)                                          \
	for (struct list *pos = (head)->next, *next_##pos = pos->next;         \
	     pos != (head); pos = next_##pos, next_##pos = next_##pos->next)
