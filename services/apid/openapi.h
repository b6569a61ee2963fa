/* SPDX-License-Identifier: MIT */
/*
 * openapi: the table of routes as an OpenAPI 3.1 document. Any thread.
 */
#ifndef APID_OPENAPI_H
#define APID_OPENAPI_H

#include "base/str.h"

/* Appends the document. */
void openapi_write(struct bytes *out);

#endif
