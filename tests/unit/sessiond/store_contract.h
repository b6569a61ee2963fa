/* SPDX-License-Identifier: MIT */
/*
 * store_contract: what every back end of store.h must do, in terms of its
 * operations alone.
 */
#ifndef TESTS_SESSIOND_STORE_CONTRACT_H
#define TESTS_SESSIOND_STORE_CONTRACT_H

#include "sessiond/store.h"

/* Runs every case against a new, empty store each time. */
void store_contract_run(
    void (*fresh)(struct store **s), void (*gone)(struct store **s));

#endif
