// SPDX-License-Identifier: GPL-2.0-or-later
/* Short words that can be read out on the telephone. See names.h. */
#include "setup/state/names.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "netstack/base/list.h"

#define PLAIN_TRIES 8

static const char *const how[] = {
	"able",	 "agile",  "amber", "bold",  "brave", "brisk", "bright",
	"calm",	 "clear",  "crisp", "deft",  "eager", "early", "fair",
	"fast",	 "fine",   "firm",  "fond",  "fresh", "glad",  "gold",
	"grand", "green",  "happy", "keen",  "kind",  "light", "lucid",
	"merry", "mild",   "neat",  "noble", "plain", "prime", "proud",
	"quick", "quiet",  "rapid", "ready", "red",   "rosy",  "sage",
	"sharp", "silver", "smart", "snug",  "solid", "spry",  "still",
	"stout", "sunny",  "swift", "tall",  "tidy",  "trim",  "true",
	"vivid", "warm",   "wide",  "wise",  "witty", "young", "zesty",
	"blue",
};

static const char *const what[] = {
	"adder",   "alder",  "aspen", "badger", "beech",  "birch", "bison",
	"bream",   "carp",   "cedar", "clover", "crane",  "crow",  "daisy",
	"deer",	   "dove",   "eagle", "egret",	"elder",  "elm",   "ember",
	"fern",	   "finch",  "fox",   "gecko",	"goose",  "hare",  "hawk",
	"hazel",   "heron",  "holly", "ibis",	"iris",	  "ivy",   "jay",
	"juniper", "kite",   "lark",  "lily",	"linden", "lynx",  "maple",
	"marten",  "moth",   "newt",  "oak",	"otter",  "owl",   "perch",
	"pine",	   "plover", "poppy", "raven",	"robin",  "rowan", "seal",
	"shrew",   "stork",  "swan",  "thrush", "trout",  "vole",  "willow",
	"wren",
};

void names_make(char *buf, size_t cap, unsigned int tries)
{
	uint16_t r[3] = { 0 };
	ssize_t n = getrandom(r, sizeof(r), 0);

	assert(n == sizeof(r)); /* so few are never cut short */
	(void)n;
	if (tries < PLAIN_TRIES)
		(void)snprintf(buf, cap, "%s-%s", how[r[0] % ARRAY_SIZE(how)],
			       what[r[1] % ARRAY_SIZE(what)]);
	else
		(void)snprintf(buf, cap, "%s-%s-%u",
			       how[r[0] % ARRAY_SIZE(how)],
			       what[r[1] % ARRAY_SIZE(what)], r[2]);
}
