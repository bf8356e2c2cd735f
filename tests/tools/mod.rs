//! Other programs that tests prove things with.

/// Whether `program` can be run; where tools are required, a missing one fails the test.
pub fn have(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("GATEWRIGHT_REQUIRE_TOOLS").is_none(), "{program} is required and was not found");
    if !found {
        println!("{program} was not found: skipped");
    }
    found
}
