# SPDX-License-Identifier: Apache-2.0
"""The parts of the store's acceptance."""
PORT = 8158
