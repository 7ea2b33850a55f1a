// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzzer's function over the files of a folder, without the fuzzer: the
 * seeds are a normal test, too. Argument: the folder.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "netstack/base/fd.h"

#define SEED_MAX 1048576

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	char *buf = malloc(SEED_MAX);
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *e;
	char path[4096];
	int n = 0;

	if (!dir || !buf) {
		(void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((e = readdir(dir))) {
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		len = fd_read_text(path, buf, SEED_MAX);
		if (len < 0) {
			printf("not ok %d - %s\n", ++n, e->d_name);
			continue;
		}
		(void)LLVMFuzzerTestOneInput((const uint8_t *)buf, (size_t)len);
		printf("ok %d - %s\n", ++n, e->d_name);
	}
	printf("1..%d\n", n);
	closedir(dir);
	free(buf);
	return 0;
}
