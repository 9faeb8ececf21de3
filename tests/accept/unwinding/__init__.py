# SPDX-License-Identifier: Apache-2.0
"""The parts of the unwinder's acceptance."""
