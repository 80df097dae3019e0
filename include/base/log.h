/* Log levels. broker/publisher.c maps them to the broker's. */
#ifndef FW_BASE_LOG_H
#define FW_BASE_LOG_H

enum fw_log_level { FW_LOG_INFO, FW_LOG_NOTICE, FW_LOG_WARNING, FW_LOG_ERROR };

#endif
