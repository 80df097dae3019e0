/* Verdicts on files, and the thread that gives them. */
#include "files/verifier.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

static struct fw_verify_job job(
	const char *file, const char *method, const char *sign, int64_t size)
{
	return (struct fw_verify_job){.firmware_id = strdup("f"),
		.file = strdup(file),
		.sign_method = method ? strdup(method) : NULL,
		.sign = sign ? strdup(sign) : NULL,
		.size = size};
}

/* As if nobody had touched it for a moment. */
static void settle(void)
{
	usleep((FW_FILE_SETTLE_MS + 50) * 1000);
}

static void assert_verdict(
	struct fw_verify_job given, enum fw_verify_outcome outcome, const char *words)
{
	struct fw_verify_result result = {.outcome = FW_VERIFY_GOOD};

	assert_true(fw_verify_file("d", &given, NULL, NULL, NULL, &result));
	if (result.outcome != outcome || !strstr(result.reason.text, words))
		fail_msg("%s: outcome %d, %s", given.file, result.outcome, result.reason.text);
	fw_verify_job_clear(&given);
}

static int start(void **state)
{
	return make_folder(state) == 0 &&
			system("mkdir d; printf abc >d/image; : >d/empty; ln -s image d/link; "
			       "truncate -s 3G d/large") == 0
		? 0
		: -1;
}

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_verdicts(void **state)
{
	struct fw_verify_job given = job("image", NULL, NULL, -1);
	struct fw_verify_result result;

	(void)state;
	assert_verdict(job("image", NULL, NULL, -1), FW_VERIFY_UNSETTLED, "");
	settle();
	assert_true(fw_verify_file("d", &given, NULL, NULL, NULL, &result));
	assert_int_equal(result.outcome, FW_VERIFY_GOOD);
	assert_int_equal(result.method, FW_SIGN_SHA256);
	assert_string_equal(result.digest.digest, ABC);
	assert_int_equal(result.stamp.size, 3);
	fw_verify_job_clear(&given);
	assert_verdict(job("image", "sha256", ABC, 3), FW_VERIFY_GOOD, "");
	assert_verdict(job("image", "md5", NULL, 3), FW_VERIFY_GOOD, "");
	assert_verdict(job("image", NULL, NULL, 4), FW_VERIFY_BAD, "has 3 bytes, but size is 4");
	assert_verdict(job("image", "md5", "00000000000000000000000000000000", -1), FW_VERIFY_BAD,
		"900150983cd24fb0d6963f7d28e17f72");
	assert_verdict(
		job("image", "crc32", NULL, -1), FW_VERIFY_BAD, "not one that the plugin knows");
	assert_verdict(job("image", "ed25519", NULL, -1), FW_VERIFY_BAD, "sign is missing");
	assert_verdict(job("image", "ed25519", "AAAA", -1), FW_VERIFY_BAD, "public_key");
	assert_verdict(job("empty", NULL, NULL, -1), FW_VERIFY_BAD, "is empty");
	assert_verdict(job("absent", NULL, NULL, -1), FW_VERIFY_BAD, "there is no file");
	assert_verdict(job("link", NULL, NULL, -1), FW_VERIFY_BAD, "symbolic link");
	assert_verdict(job("../d/image", NULL, NULL, -1), FW_VERIFY_BAD, "plain name");
}

static void change_it(void *context, int64_t done)
{
	(void)context;
	(void)done;
	shell("printf x | dd of=d/image conv=notrunc 2>/dev/null");
}

static void replace_it(void *context, int64_t done)
{
	(void)context;
	(void)done;
	shell("cp -p d/image d/copy; mv d/copy d/image");
}

static void test_changed_while_read(void **state)
{
	struct fw_verify_job given = job("image", NULL, NULL, -1);
	struct fw_verify_result result;

	(void)state;
	settle();
	assert_true(fw_verify_file("d", &given, NULL, change_it, NULL, &result));
	assert_int_equal(result.outcome, FW_VERIFY_UNSETTLED);
	settle();
	assert_true(fw_verify_file("d", &given, NULL, replace_it, NULL, &result));
	assert_int_equal(result.outcome, FW_VERIFY_UNSETTLED);
	fw_verify_job_clear(&given);
}

static int transaction = -1;

static void open_it(void *context, int64_t done)
{
	(void)context;
	(void)done;
	if (transaction < 0)
		transaction = open("d/image", O_WRONLY | O_CLOEXEC);
}

/* Not while somebody has it open for writing, however long nothing is written; nor when somebody
 * began meanwhile. */
static void test_open_for_writing(void **state)
{
	struct fw_verify_job given = job("image", NULL, NULL, -1);
	struct fw_verify_result result;

	(void)state;
	settle();
	assert_true(fw_verify_file("d", &given, NULL, open_it, NULL, &result));
	assert_true(transaction >= 0);
	assert_int_equal(result.outcome, FW_VERIFY_UNSETTLED);
	assert_non_null(strstr(result.reason.text, "open for writing"));
	settle();
	assert_verdict(job("image", NULL, NULL, -1), FW_VERIFY_UNSETTLED, "open for writing");
	close(transaction);
	assert_verdict(job("image", NULL, NULL, -1), FW_VERIFY_GOOD, "");
	fw_verify_job_clear(&given);
}

static void test_thread(void **state)
{
	struct fw_verifier *verifier;
	struct fw_verify_result result;

	(void)state;
	settle();
	assert_int_equal(fw_verifier_start("d", &verifier, NULL), FW_OK);
	assert_true(fw_verifier_changed(verifier));
	assert_false(fw_verifier_changed(verifier));
	assert_true(fw_verifier_idle(verifier));
	assert_false(fw_verifier_take(verifier, &result));
	fw_verifier_submit(verifier, job("image", NULL, NULL, -1));
	assert_false(fw_verifier_idle(verifier));
	for (int i = 0; i < 500 && !fw_verifier_take(verifier, &result); i++)
		usleep(10000);
	assert_true(fw_verifier_idle(verifier));
	assert_int_equal(result.outcome, FW_VERIFY_GOOD);
	assert_string_equal(result.job.firmware_id, "f");
	fw_verify_job_clear(&result.job);
	shell("touch d/image");
	for (int i = 0; i < 500 && !fw_verifier_changed(verifier); i++)
		usleep(10000);
	/* the folder is watched while a file is read, and stopping does not wait for its end */
	fw_verifier_submit(verifier, job("large", NULL, NULL, -1));
	usleep(100000);
	fw_verifier_changed(verifier);
	shell("touch d/image");
	for (int i = 0; i < 500 && !fw_verifier_changed(verifier); i++)
		usleep(10000);
	assert_false(fw_verifier_idle(verifier));
	fw_verifier_stop(verifier);
	fw_verifier_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_changed_while_read),
		cmocka_unit_test(test_open_for_writing),
		cmocka_unit_test(test_thread),
	};

	return cmocka_run_group_tests(tests, start, remove_folder);
}
