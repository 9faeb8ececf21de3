# SPDX-License-Identifier: Apache-2.0
"""The parts of the first-light acceptance."""
PORT = 7994
