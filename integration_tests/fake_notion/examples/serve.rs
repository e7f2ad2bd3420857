//! Serves the sample workspace: `cargo run -p fake-notion --example serve [ADDRESS]`.
//!
//! Prints the URL and the token in one line, and answers until it is killed. `/__control/` endpoints let scripts
//! edit the workspace, queue faults and read the log.

use std::{
    error::Error,
    io::{self, Write},
};

use fake_notion::{FakeNotion, sample::sample_workspace};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let fake = FakeNotion::start_blocking_on(address.parse()?, sample_workspace())?;
    fake.offer_control();
    writeln!(io::stdout(), "{} {}", fake.url(), fake.token())?;
    loop {
        std::thread::park();
    }
}
