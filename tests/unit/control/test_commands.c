/* The table of commands, on a real catalog: every command once, refusals, rights, lists. */
#include "control/commands_fixture.h"

#define PRODUCT "{'command':'createProduct','productId':'lamp','name':'Lamp'}"
#define HOSTED(id, version, order)                                                                 \
	"{'command':'createFirmware','firmwareId':'" id "','productId':'lamp','name':'" version    \
	"','version':'" version "','versionOrder':" order                                          \
	",'url':'http://x/y','size':3,'signMethod':'md5',"                                         \
	"'sign':'0123456789abcdef0123456789abcdef'}"

/* A product, two versions and five devices that run the first. */
static void fill(struct world *world)
{
	done(world, PRODUCT);
	done(world, HOSTED("f1", "1.0", "1"));
	done(world, HOSTED("f2", "2.0", "2"));
	sql(world,
		"INSERT INTO device (product_id, device_id, version) SELECT 'lamp',"
		" 'd' || value, '1.0' FROM generate_series(1, 5)");
}

static void test_products(void **state)
{
	struct world *world = *state;
	json_t *data = good(world, PRODUCT);

	holds(data, "productId", "'lamp'");
	holds(data, "firmwareEnabled", "true");
	json_decref(data);
	data = good(world,
		"{'command':'modifyProduct','productId':'lamp','firmwareEnabled':false,"
		"'pullPolicy':'task'}");
	holds(data, "firmwareEnabled", "false");
	json_decref(data);
	sql_gives(world, "SELECT pull_policy AS v FROM product", "'task'");
	refused(world, PRODUCT, "conflict",
		"there is one already: choose another product.product_id");
	refused(world, "{'command':'modifyProduct','productId':'lamp','pullPolicy':'never'}",
		"conflict", "pull_policy must be 'latest', 'stepwise' or 'task'");
	data = good(world, "{'command':'listProducts'}");
	holds(data, "items.0.name", "'Lamp'");
	holds(data, "totalCount", "1");
	holds(data, "next", "null");
	json_decref(data);
	done(world, "{'command':'deleteProduct','productId':'lamp'}");
	refused(world, "{'command':'getProduct','productId':'lamp'}", "not_found",
		"no such product: 'lamp'");
	refused(world, "{'command':'deleteProduct','productId':'lamp'}", "not_found", "lamp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_products, world_setup, world_teardown),
	};

	(void)fill;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
