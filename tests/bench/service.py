#!/usr/bin/env python3
"""For comparison: the service of service.c on a scripting client. Usage: service.py PORT CATALOG"""
import json
import sqlite3
import sys
import time

import paho.mqtt.client as mqtt

catalog = sqlite3.connect(sys.argv[2], isolation_level=None)
cache = {"version": None}


def newest(product):
    version = catalog.execute("PRAGMA data_version").fetchone()[0]
    if version != cache["version"]:
        cache.clear()
        cache["version"] = version
    if product not in cache:
        row = catalog.execute("SELECT url, version, parameters, sign, sign_method, firmware_id, size, version_order FROM firmware"
                              " WHERE product_id = ? AND state = 'ready' ORDER BY version_order DESC LIMIT 1", (product,)).fetchone()
        names = ("url", "version", "parameters", "sign", "signMethod", "firmwareId", "size")
        cache[product] = row and (row[7], {**dict(zip(names, row)), "parameters": json.loads(row[2])})
    return cache[product]


def on_message(client, _context, message):
    request = json.loads(message.payload)
    product = message.topic.split("/")[1]
    found = newest(product)
    known = catalog.execute("SELECT version_order FROM firmware WHERE product_id = ? AND version = ?", (product, request.get("currentVersion"))).fetchone()
    reply = {"timestamp": int(time.time() * 1000), "messageId": request.get("messageId")}
    if found and (not known or known[0] < found[0]):
        reply.update(found[1])
    else:
        reply.update(success=False, code="no_update", message="")
    client.publish(message.topic + "/reply", json.dumps(reply), message.qos)


def on_connect(client, *_rest):
    client.subscribe("/+/+/firmware/pull", 1)


service = mqtt.Client("firmware-service-py")
service.on_connect = on_connect
service.on_message = on_message
service.on_subscribe = lambda *_rest: print("ready", flush=True)
service.connect("127.0.0.1", int(sys.argv[1]))
service.loop_forever()
