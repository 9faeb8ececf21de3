# SPDX-License-Identifier: Apache-2.0
"""Checks of the unwinder; tests/accept/unwind runs them."""
