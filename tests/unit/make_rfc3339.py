#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes tests/unit/golden_rfc3339.inc: points in time as text and as Unix nanoseconds, by Python's datetime.

    python3 tests/unit/make_rfc3339.py > tests/unit/golden_rfc3339.inc
"""
import datetime
import random

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
LAST_S = 2**63 // 10**9 - 1


def row(moment, fraction, separator, zulu):
    offset = moment.strftime("%z")
    zone = zulu if not moment.utcoffset() and zulu else f"{offset[:3]}:{offset[3:5]}"
    digits = f".{fraction}" if fraction else ""
    seconds = (moment - EPOCH) // datetime.timedelta(seconds=1)
    ns = seconds * 10**9 + int((fraction + "000000000")[:9] if fraction else 0)
    text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    return f'\t{{"{text}{digits}{zone}", {ns}ull}},'


def main():
    rng = random.Random(3339)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by make_rfc3339.py, included by test_parse.c. */")
    moments = [datetime.datetime(*d, tzinfo=datetime.timezone.utc) for d in (
        (1970, 1, 1), (1970, 1, 1, 0, 0, 1), (2000, 2, 29, 23, 59, 59), (1972, 2, 29), (2100, 2, 28, 23, 59, 59),
        (2100, 3, 1), (2026, 12, 31, 23, 59, 59), (2038, 1, 19, 3, 14, 8), (2262, 4, 11, 23, 47, 15))]
    for _ in range(80):
        zone = datetime.timezone(datetime.timedelta(minutes=rng.choice((0, rng.randint(-1439, 1439)))))
        moments.append((EPOCH + datetime.timedelta(seconds=rng.randint(90000, LAST_S - 90000))).astimezone(zone))
    for moment in moments:
        digits = rng.choice((0, 0, 1, 3, 6, 9, 12))
        fraction = "".join(rng.choice("0123456789") for _ in range(digits))
        print(row(moment, fraction, rng.choice("TTTt "), rng.choice(("Z", "Z", "z", ""))))


main()
