//! One test binary over the whole house, on the test kit
