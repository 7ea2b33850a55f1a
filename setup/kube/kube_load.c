// SPDX-License-Identifier: GPL-2.0-or-later
/* See kube_load.h. */
#include "setup/kube/kube_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/base/fd.h"
#include "netstack/base/log.h"
#include "setup/kube/kube_parse.h"
#include "setup/kube/kube_yaml.h"
#include "setup/state/state.h"

#define FILE_MAX (1U << 20)

/* Return: the content, the caller's to free; NULL: logged */
static char *load(const char *path, size_t *len)
{
	scoped_fd fd = strcmp(path, "-") == 0
			       ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			       : open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(FILE_MAX);
	ssize_t n = fd < 0 ? -errno : -ENOMEM;

	if (text)
		n = fd_read_all(fd, text, FILE_MAX);
	if (n >= 0) {
		*len = (size_t)n;
		return text;
	}
	(void)log_errno(n == -E2BIG ? EFBIG : (int)-n, "%s", path);
	free(text);
	return NULL;
}

static const char *name_of(const char *path)
{
	return strcmp(path, "-") == 0 ? "stdin" : path;
}

int kube_load(struct kube_file *out, const char *path, bool lax)
{
	size_t len = 0;
	scoped_free char *text = load(path, &len);

	*out = (struct kube_file){ 0 };
	return text ? kube_parse(out, text, len, name_of(path), lax) : -EIO;
}

/* Other documents, and what is no name, are no pods of ours. */
static int one_name(struct kube_yaml *y, const yaml_node_t *root, void *at)
{
	const yaml_node_t *kind = kube_yaml_get(y, root, "kind");
	const yaml_node_t *metadata = kube_yaml_get(y, root, "metadata");
	const yaml_node_t *name =
		metadata ? kube_yaml_get(y, metadata, "name") : NULL;
	const char *text = name ? kube_yaml_text_of(name) : NULL;

	if (!kind || !text || !state_name_ok(text))
		return 0;
	text = kube_yaml_text_of(kind);
	return text && strcmp(text, "Pod") == 0
		       ? kube_yaml_add_text(y, name, at)
		       : 0;
}

int kube_load_names(struct kube_texts *out, const char *path)
{
	struct kube_yaml y = { .file = name_of(path) };
	size_t len = 0;
	scoped_free char *text = load(path, &len);
	int rc;

	*out = (struct kube_texts){ 0 };
	if (!text)
		return -EIO;
	rc = kube_yaml_each(&y, text, len, one_name, out);
	if (!rc && !out->n)
		rc = kube_no_pod(y.file);
	return rc;
}
