//! JOSE: strict parsing, keys, key sets, opening and signing
