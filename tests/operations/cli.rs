//! The program as its users type it: arguments, exit statuses, and what is never printed.

use std::process::{Command, Output};

fn sidecar(args: &[&str], settings: &str, env: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidecar.toml");
    let spool = folder.path().join("spool");
    std::fs::write(&file, format!("spool.path = \"{}\"\n{settings}", spool.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar"));
    command.args(args).arg("--config").arg(&file).envs(env.iter().copied());
    command.output().unwrap()
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const URL: &str = "postgres.url = \"postgres://u@127.0.0.1:1/d\"\n";

#[test]
fn help_names_every_command_and_ends_well() {
    let output = sidecar(&["--help"], "", &[]);
    assert_eq!(output.status.code(), Some(0));
    let output_text = output_text(&output);
    for command in [
        "run",
        "setup",
        "teardown",
        "doctor",
        "check-config",
        "config",
        "status",
        "tail",
        "receive",
        "demo",
        "healthcheck",
        "openapi",
        "completions",
        "man",
    ] {
        assert!(
            output_text.lines().any(|line| line.trim_start().starts_with(command)),
            "no {command} in {output_text}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(output_of(&["completions", shell]).contains("sidecar"));
    }
    assert!(output_of(&["man"]).contains(".TH sidecar"));
}

#[test]
fn the_help_of_every_command_has_an_example_and_fits_a_terminal() {
    for command in commands() {
        let help = output_of(&[&command, "--help"]);
        let example = format!("  sidecar {command}");
        let has_example = help.lines().any(|line| line.starts_with(&example));
        assert!(has_example, "no example in the help of {command}: {help}");
        let too_long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(too_long.is_empty(), "{command}: {too_long:?}");
    }
}

fn commands() -> Vec<String> {
    let help = output_of(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter_map(|line| {
        // Two spaces before a command's name, more before what goes on from the line above.
        line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()
    });
    commands.filter(|command| *command != "help").map(str::to_owned).collect()
}

#[test]
fn the_manual_has_a_page_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    output_of(&["man", "--dir", pages.to_str().unwrap()]);
    let mut count = 0;
    for command in commands() {
        let page = std::fs::read_to_string(pages.join(format!("sidecar-{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH sidecar-{command}")), "{page}");
        count += 1;
    }
    assert!(count >= 13, "{count}");
    assert!(pages.join("sidecar.1").is_file());
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let output = sidecar(&["man", "--dir", blocked.to_str().unwrap()], "", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
}

fn output_of(args: &[&str]) -> String {
    let output = sidecar(args, "", &[]);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", output_text(&output));
    output_text(&output)
}

#[test]
fn exit_statuses_differ_for_wrong_use_wrong_settings_and_no_sidecar() {
    for (args, settings, status) in [
        (&["--no-such-flag"][..], "", 64),
        (&["no-such-command"], "", 64),
        (&["receive", "--fail", "7"], "", 64),
        (&["tail", "--callback", "nonsense"], URL, 64),
        (&["check-config"], URL, 0),
        (&["check-config"], "[batch]\nrecords_maxx = 1", 78),
        (&["run"], "[batch]\nrecords_max = 0", 78),
        (&["doctor"], URL, 69),
        (&["setup"], URL, 69),
        (&["status"], URL, 69),
        (&["healthcheck"], URL, 69),
    ] {
        let output = sidecar(args, settings, &[]);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", output_text(&output));
    }
}

#[test]
fn the_environment_comes_before_the_file_and_a_flag_before_both() {
    let settings = format!("{URL}[batch]\nwait_max_ms = 1\n");
    let env = [("SIDECAR_BATCH__WAIT_MAX_MS", "2"), ("SIDECAR_POSTGRES__PASSWORD", "0123")];
    let shown = |args: &[&str], env: &[(&str, &str)]| output_text(&sidecar(args, &settings, env));
    assert!(shown(&["config"], &[]).contains("batch.wait_max_ms = 1 "));
    assert!(shown(&["config"], &env).contains("batch.wait_max_ms = 2 "));
    assert!(shown(&["config", "--set", "batch.wait_max_ms=3"], &env).contains("batch.wait_max_ms = 3 "));
    assert!(shown(&["check-config"], &env).contains("are valid"), "a password of digits is a text");
}

#[test]
fn secrets_are_never_printed() {
    let settings = "postgres.url = \"postgres://u:geheim@h/d\"\npostgres.password = \"geheim\"\nadmin.token = \"geheim\"\n\
                    [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/?key=geheim\"\nsecret = [\"geheim\"]\n\
                    headers = { authorization = \"geheim\" }\n";
    let shown = output_text(&sidecar(&["config"], settings, &[]));
    assert!(shown.contains("webhook.0.project") && !shown.contains("geheim"), "{shown}");
}
