/* Answers pulls (plugin/doc/protocol.md, "Ask for firmware"): which firmware is a device to get?
 *
 *   1  an unknown product, or one that is switched off, gets a code
 *   2  a request for a version gets that version, if it is ready
 *   3  otherwise the device's open row of a task counts: the one under way, or else the first that
 *      the device may have and that no unapplied uplink has closed
 *   4  without such a row, the product's policy counts
 *   5  what is found is offered, unless the device runs that version already, or a higher one
 *
 * Pure rules over a source of rows, with a cache before it and the uplinks that are acknowledged
 * but not applied yet laid over it. */
#include "upgrade/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "upgrade/resolver_internal.h"

struct fw_resolver *fw_resolver_new(
	const struct fw_resolver_source *source, const struct fw_unapplied *unapplied)
{
	struct fw_resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver)
		return NULL;
	resolver->unapplied = unapplied;
	if (fw_resolver_cache_init(&resolver->cache, source) != FW_OK) {
		fw_resolver_free(resolver);
		return NULL;
	}
	return resolver;
}

void fw_resolver_free(struct fw_resolver *resolver)
{
	if (!resolver)
		return;
	fw_resolver_cache_close(&resolver->cache);
	free(resolver);
}

void fw_resolver_note_completion(struct fw_resolver *resolver)
{
	resolver->completions = true;
}

uint64_t fw_resolver_generation(const struct fw_resolver *resolver)
{
	return resolver->cache.generation;
}

/* A new answer begins: FW_OK with the product's entry, FW_NOT_FOUND, or the source's error. */
static enum fw_status find_product(
	struct fw_resolver *resolver, struct fw_slice product, struct fw_resolver_entry **out)
{
	enum fw_status status = fw_resolver_cache_refresh(&resolver->cache);

	if (status == FW_OK)
		status = fw_resolver_cache_look_up(&resolver->cache,
			&(struct fw_resolver_question){.kind = FW_ASK_PRODUCT, .product = product},
			out);
	return status == FW_OK ? (*out)->status : status;
}

enum fw_status fw_resolver_product(
	struct fw_resolver *resolver, struct fw_slice product, struct fw_product *out)
{
	struct fw_resolver_entry *entry;
	enum fw_status status = find_product(resolver, product, &entry);

	if (status == FW_OK)
		*out = entry->product;
	return status;
}

struct open_rows {
	struct fw_open_row rows[FW_OPEN_ROWS_MAX];
	size_t count;
};

/* What a pull that names no version may be answered with. */
struct candidate {
	const struct fw_firmware *firmware; /* NULL: there is none */
	/* an open row decides, with or without firmware: the policy does not count */
	bool of_task;
	const struct fw_open_row *row; /* NULL: none */
	bool under_way;                /* of the row that is under way */
	bool downgrade;                /* also to a device that runs a higher version */
};

static bool is_closed(const struct fw_resolver *resolver, const struct fw_pull *pull,
	const struct fw_open_row *row)
{
	return fw_unapplied_closed(resolver->unapplied, pull->product, pull->device,
		fw_slice_of(row->firmware_id), fw_slice_of(row->version));
}

static bool is_above(const struct fw_resolver_current *current, int64_t order,
	struct fw_slice version, bool downgrade)
{
	return !fw_slice_equal(current->version, version) && (current->order < order || downgrade);
}

/* Does the row keep the device from what the policy gives? A row that an unapplied uplink closed
 * does if it may be retried; the store decides whether it is. */
static bool holds_policy(const struct fw_open_row *row, bool wanted, bool closed)
{
	if (closed)
		return row->processing && row->retried;
	return wanted || !row->failed;
}

/* Step 3: the open row under way, or else the lowest or highest one that the device may have and
 * that no unapplied uplink has closed. One upgrade at a time. The first *skip rows were tried
 * before and may not start now; afterwards *skip is the index behind the row that was found. */
static enum fw_status find_open_row(struct fw_resolver *resolver, const struct fw_pull *pull,
	const struct fw_resolver_current *current, const struct open_rows *open, size_t *skip,
	struct candidate *out)
{
	for (; *skip < open->count; (*skip)++) {
		const struct fw_open_row *row = &open->rows[*skip];
		bool wanted = row->processing ||
			is_above(current, row->order, fw_slice_of(row->version), row->downgrade);

		/* a row that the device does not want may still keep it from the policy */
		out->of_task |= holds_policy(row, wanted, is_closed(resolver, pull, row));
		if (wanted && !is_closed(resolver, pull, row))
			break;
	}
	if (*skip == open->count)
		return FW_OK;
	out->row = &open->rows[(*skip)++];
	out->downgrade = out->row->downgrade;
	out->under_way = out->row->processing;
	return out->row->offered ? fw_resolver_cache_by_version(&resolver->cache, pull->product,
					   fw_slice_of(out->row->version), &out->firmware)
				 : FW_OK;
}

/* Step 4. */
static enum fw_status find_policy_firmware(struct fw_resolver *resolver, const struct fw_pull *pull,
	struct fw_resolver_entry *product, int64_t order, const struct fw_firmware **out)
{
	struct fw_resolver_shortcut *shortcut = &product->shortcut;
	enum fw_status status = FW_OK;

	*out = NULL;
	if (product->product.policy == FW_POLICY_TASK)
		return FW_OK;
	if (product->product.policy == FW_POLICY_STEPWISE)
		return fw_resolver_cache_firmware(&resolver->cache,
			&(struct fw_resolver_question){
				.kind = FW_ASK_NEXT, .product = pull->product, .order = order},
			out);
	if (product->product.ordered)
		return fw_resolver_cache_firmware(&resolver->cache,
			&(struct fw_resolver_question){.kind = FW_ASK_LATEST_FOR,
				.product = pull->product,
				.order = order},
			out);
	if (!shortcut->has_latest) {
		status = fw_resolver_cache_firmware(&resolver->cache,
			&(struct fw_resolver_question){.kind = FW_ASK_LATEST,
				.product = pull->product,
				.order = INT64_MAX},
			&shortcut->latest);
		shortcut->has_latest = status == FW_OK;
	}
	*out = status == FW_OK ? shortcut->latest : NULL;
	return status;
}

static enum fw_status set_offer(struct fw_answer *out, const struct fw_firmware *found)
{
	out->code = FW_PULL_OFFER;
	out->firmware = found;
	return FW_OK;
}

/* Step 2. */
static enum fw_status answer_request(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *out)
{
	const struct fw_firmware *wanted;
	enum fw_status status = fw_resolver_cache_by_version(
		&resolver->cache, pull->product, pull->request, &wanted);

	if (status != FW_OK)
		return status;
	if (wanted && wanted->ready)
		return set_offer(out, wanted);
	out->code = FW_PULL_VERSION_NOT_FOUND;
	return FW_OK;
}

static bool may_have(const struct candidate *candidate, const struct fw_resolver_current *current)
{
	const struct fw_firmware *found = candidate->firmware;

	return found && found->ready &&
		is_above(current, found->order, fw_slice_of(found->version), candidate->downgrade);
}

static enum fw_status offer_unless_mislabelled(struct fw_resolver *resolver,
	const struct fw_pull *pull, const struct fw_product *product,
	const struct fw_resolver_current *current, const struct fw_firmware *found,
	struct fw_answer *out)
{
	const struct fw_resolver_source *source = resolver->cache.source;
	bool mislabelled = false;
	enum fw_status status = FW_NOT_FOUND;

	if (product->mislabelled)
		status = source->is_mislabelled(source->context, pull->product, pull->device,
			found->firmware_id, current->version, &mislabelled);
	if (status != FW_OK && status != FW_NOT_FOUND)
		return status;
	out->watched = status == FW_OK;
	if (!mislabelled)
		return set_offer(out, found);
	out->code = FW_PULL_NO_UPDATE;
	return FW_OK;
}

/* Step 5. A row under way is offered again, whatever the device said before. */
static enum fw_status answer_candidate(struct fw_resolver *resolver, const struct fw_pull *pull,
	const struct fw_product *product, const struct fw_resolver_current *current,
	const struct candidate *candidate, struct fw_answer *out)
{
	enum fw_status status = FW_OK;

	out->of_task = candidate->of_task;
	out->code = FW_PULL_NO_UPDATE;
	if (!may_have(candidate, current))
		return FW_OK;
	if (!candidate->under_way)
		status = fw_resolver_is_before_restart(
			resolver, pull, product, &out->before_restart);
	if (status != FW_OK || out->before_restart)
		return status;
	return offer_unless_mislabelled(resolver, pull, product, current, candidate->firmware, out);
}

/* The answer offers the firmware of a row: takes a place for it, if the gate decides about it.
 * Without a place the answer becomes no_update. */
static enum fw_status take_place(struct fw_resolver *resolver, const struct fw_pull *pull,
	const struct fw_resolver_current *current, const struct fw_open_row *row,
	struct fw_answer *out)
{
	const struct fw_resolver_source *source = resolver->cache.source;
	int64_t retry_after_ms = 0;
	enum fw_status status = FW_OK;

	if (row->managed && !row->processing && source->take_place)
		status = source->take_place(
			source->context, pull, row, current->order, &retry_after_ms);
	if (status != FW_NOT_FOUND) {
		if (status == FW_OK && row->managed && !row->processing)
			memcpy(out->task_id, row->task_id, sizeof(out->task_id));
		return status;
	}
	if (retry_after_ms && (!out->retry_after_ms || retry_after_ms < out->retry_after_ms))
		out->retry_after_ms = retry_after_ms;
	out->code = FW_PULL_NO_UPDATE;
	out->firmware = NULL;
	return FW_OK;
}

static void set_deferral(
	const struct fw_pull *pull, const struct fw_open_row *row, struct fw_answer *out)
{
	int64_t told = row->first_told_at ? row->first_told_at : pull->now;

	out->deferral = (struct fw_deferral){row->defer_ms >= 0, told + row->defer_ms};
}

/* Step 3, for each row until one may start. *decided: the answer stands, and the policy does not
 * count. */
static enum fw_status answer_open_rows(struct fw_resolver *resolver, const struct fw_pull *pull,
	const struct fw_product *product, const struct fw_resolver_current *current, bool *decided,
	struct fw_answer *out)
{
	const struct fw_resolver_source *source = resolver->cache.source;
	struct open_rows open = {.count = 0};
	struct candidate candidate = {.firmware = NULL};
	size_t skip = 0;
	enum fw_status status = source->open_rows(source->context, pull->product, pull->device,
		product->policy == FW_POLICY_STEPWISE, open.rows, &open.count);

	*decided = false;
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	do {
		candidate.firmware = NULL;
		candidate.row = NULL;
		status = find_open_row(resolver, pull, current, &open, &skip, &candidate);
		if (status == FW_OK)
			status =
				answer_candidate(resolver, pull, product, current, &candidate, out);
		if (status == FW_OK && out->code == FW_PULL_OFFER)
			status = take_place(resolver, pull, current, candidate.row, out);
		/* the search ends at an offer, at a row under way, and before a restart */
	} while (status == FW_OK && candidate.row && out->code != FW_PULL_OFFER &&
		!candidate.under_way && !out->before_restart);
	if (out->code == FW_PULL_OFFER && candidate.row)
		set_deferral(pull, candidate.row, out);
	*decided = candidate.of_task;
	return status;
}

/* Steps 3 to 5: the pull names no version. */
static enum fw_status answer_unrequested(struct fw_resolver *resolver, const struct fw_pull *pull,
	struct fw_resolver_entry *product, struct fw_answer *out)
{
	struct candidate candidate = {.firmware = NULL};
	struct fw_resolver_current current;
	bool decided = false;
	enum fw_status status =
		fw_resolver_find_current(resolver, pull, &product->shortcut, &current);

	if (status == FW_OK && product->product.open_tasks)
		status = answer_open_rows(
			resolver, pull, &product->product, &current, &decided, out);
	if (status != FW_OK || decided)
		return status;
	status = find_policy_firmware(resolver, pull, product, current.order, &candidate.firmware);
	return status == FW_OK
		? answer_candidate(resolver, pull, &product->product, &current, &candidate, out)
		: status;
}

void fw_resolver_give_back(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *answer)
{
	const struct fw_resolver_source *source = resolver->cache.source;

	if (answer->task_id[0] && source->give_back)
		source->give_back(source->context, pull, answer->task_id);
	answer->task_id[0] = '\0';
}

static enum fw_status answer(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *out)
{
	struct fw_resolver_entry *entry;
	enum fw_status status = find_product(resolver, pull->product, &entry);

	if (status == FW_NOT_FOUND) {
		out->code = FW_PULL_UNKNOWN_PRODUCT;
		return FW_OK;
	}
	if (status != FW_OK)
		return status;
	if (!entry->product.enabled) {
		out->code = FW_PULL_FIRMWARE_DISABLED;
		return FW_OK;
	}
	if (!pull->request.len)
		return answer_unrequested(resolver, pull, entry, out);
	out->of_task = entry->product.open_tasks;
	return answer_request(resolver, pull, out);
}

enum fw_status fw_resolver_answer(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *out)
{
	struct fw_answer found = {.code = FW_PULL_OFFER};
	enum fw_status status = answer(resolver, pull, &found);

	if (status == FW_OK)
		*out = found;
	return status;
}
