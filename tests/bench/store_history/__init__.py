# SPDX-License-Identifier: Apache-2.0
"""Recording real workloads, making a long history of them, and measuring what queries over it take."""
