//! `gdoi-monitor check-config` as a user runs it.

use std::fs;

use crate::program;

#[test]
fn a_configuration_is_fine_or_wrong_in_a_line() {
    let Some(program) = program::path("the check-config command") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, text: Option<&str>, exit: i32, stdout: &str, stderr: &str| {
        let file = folder.path().join(name).display().to_string();
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let output = program::run(&program, &["check-config", &file], b"");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            stdout.replace('@', &file)
        );
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            stderr.replace('@', &file)
        );
        assert_eq!(output.status.code(), Some(exit));
    };
    check(
        "good",
        Some("[[group]]\nname = \"G\"\n"),
        0,
        "@: fine, 1 group, 0 sites\n",
        "",
    );
    let errors = "gdoi-monitor: @:2: unknown key \"nmae\"; did you mean \"name\"?\n";
    check("wrong", Some("[[group]]\nnmae = \"G\"\n"), 2, "", errors);
    let errors = "gdoi-monitor: @: cannot be read: No such file or directory (os error 2)\n";
    check("missing", None, 2, "", errors);
}
