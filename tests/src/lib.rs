//! Tests of the whole house; there is nothing here but `tests/` and `benches/`.
