//! Serves a workspace: `cargo run -p fake-notion --example serve -- --help`.
//!
//! Prints the URL and the token in one line, and answers until it is killed. `/__control/` endpoints let scripts
//! edit the workspace, queue faults and read the log.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use fake_notion::{
    FakeNotion, RateLimit,
    generate::{GenerateOptions, generated_workspace},
    sample::sample_workspace,
};

const USAGE: &str = "\
Serves a fake Notion until it is killed. Prints its URL and token in one line.

Usage: serve [OPTIONS] [ADDRESS]

  ADDRESS                    where to listen; a free port of 127.0.0.1 unless given
  --pages COUNT              serve so many generated pages instead of the sample workspace
  --latency MILLISECONDS     how long every answer takes
  --average RATE[,BURST]     a budget of so many requests a second, so many at once (1 unless given)
  --window REQUESTS/SECONDS  a budget of so many requests in so many seconds, such as 180/60
";

struct Options {
    address: SocketAddr,
    pages: Option<usize>,
    latency: Duration,
    rate_limit: RateLimit,
}

fn main() -> ExitCode {
    match serve(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            drop(writeln!(io::stderr(), "{problem}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let Some(options) = understand(arguments)? else {
        return write!(io::stdout(), "{USAGE}").map_err(|error| error.to_string());
    };
    let mut workspace = match options.pages {
        Some(pages) => generated_workspace(GenerateOptions { pages, ..GenerateOptions::default() }),
        None => sample_workspace(),
    };
    workspace.settings.latency = options.latency;
    workspace.settings.rate_limit = options.rate_limit;
    let fake = FakeNotion::start_blocking_on(options.address, workspace)
        .map_err(|error| no_place(options.address, &error))?;
    fake.offer_control();
    writeln!(io::stdout(), "{} {}", fake.url(), fake.token()).map_err(|error| error.to_string())?;
    loop {
        std::thread::park();
    }
}

/// Why it cannot listen there.
fn no_place(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "Port {} of {} is taken: another program listens there, perhaps an earlier serve. End that one, or give \
             another port; {}:0 takes a free one.",
            address.port(),
            address.ip(),
            address.ip()
        ),
        _ => format!("It cannot listen on {address}: {error}."),
    }
}

/// The options, or none where help is wanted.
fn understand(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        pages: None,
        latency: Duration::ZERO,
        rate_limit: RateLimit::Unlimited,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value.\n\n{USAGE}"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--pages" => options.pages = Some(number(&argument, &value()?)?),
            "--latency" => options.latency = Duration::from_millis(number(&argument, &value()?)?),
            "--average" => {
                let value = value()?;
                let (per_second, burst) = value.split_once(',').unwrap_or((&value, "1"));
                let (per_second, burst) = (number(&argument, per_second)?, number(&argument, burst)?);
                // Whoever waits for the next request must not wait for ever.
                if !(per_second > 0.0 && f64::is_finite(per_second) && burst >= 1.0) {
                    return Err(format!(
                        "{argument} needs a rate above 0 and at least 1 at once.\n\n{USAGE}"
                    ));
                }
                options.rate_limit = RateLimit::Average { per_second, burst };
            }
            "--window" => {
                let value = value()?;
                let (requests, seconds) = value.split_once('/').unwrap_or((&value, ""));
                let (requests, seconds) = (number(&argument, requests)?, number(&argument, seconds)?);
                if requests == 0 || seconds == 0 {
                    return Err(format!("{argument} needs numbers above 0.\n\n{USAGE}"));
                }
                options.rate_limit = RateLimit::Window { requests, window: Duration::from_secs(seconds) };
            }
            _ => {
                options.address = argument.parse().map_err(|_| {
                    format!(
                        "{argument:?} is neither an option nor an address such as 127.0.0.1:8090.\n\n{USAGE}"
                    )
                })?;
            }
        }
    }
    Ok(Some(options))
}

fn number<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} cannot be {text:?}.\n\n{USAGE}"))
}
