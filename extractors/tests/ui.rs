//! What the compiler says to a handler that misuses an extractor.

#[test]
fn the_compiler_explains_a_misused_extractor() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
