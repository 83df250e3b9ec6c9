"""OP x ZEROS -> ZEROS, READS, WORK: what each op makes of known zeros and needs of its inputs.

A module a family of ops, with the names that the families have in `smartsim.counts.rules` and in
`smartsim.testing.rules`; `table` puts them together.
"""
