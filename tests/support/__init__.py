# SPDX-License-Identifier: Apache-2.0
"""What live, end-to-end, acceptance and bench programs share."""
