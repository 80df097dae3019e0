/* Devices that are lost after their upgrade (plugin/doc/rollouts.md, "Trials and lost devices").
 *
 * Durations are milliseconds. Pure, without errors; any thread. */
#ifndef FW_UPGRADE_TRIAL_H
#define FW_UPGRADE_TRIAL_H

#include "base/fw.h"

#define FW_TRIAL_CONTROL_MIN 20 /* devices that a control group needs */
#define FW_TRIAL_REMARKABLE 3   /* times the control group's share */

/* How long a device may stay away before it is lost: `lost_ms`, or twice `absence_ms`, its longest
 * absence of the last week (0: not known), where that is longer. 0 when lost_ms is 0: never. */
int64_t fw_trial_patience_ms(int64_t lost_ms, int64_t absence_ms);

/* How far back starts are looked at for the control group. */
int64_t fw_trial_lookback_ms(int64_t lost_ms, int64_t trial_ms);

/* Of the rows that were started lately, `lost` of `started` are lost (the one in question
 * included). The control group has not started: `away` of `idle` devices have been away for as
 * long. True: the loss is due to the upgrade, and counts as bad: its share is FW_TRIAL_REMARKABLE
 * times the control group's, or that group is smaller than FW_TRIAL_CONTROL_MIN. False: devices go
 * away without an upgrade, too. */
bool fw_trial_is_remarkable(int64_t lost, int64_t started, int64_t away, int64_t idle);

#endif
