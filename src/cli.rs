//! The command line: four verbs, as the Airbyte protocol defines them. It knows no Notion.

use clap::{Parser, Subcommand};

/// Reads a Notion workspace and speaks the Airbyte protocol on stdout.
#[derive(Debug, Parser)]
#[command(name = "source-notion", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log in detail; the environment variable `LOG_LEVEL` sets any level.
    #[arg(long, global = true)]
    pub debug: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the config's specification.
    Spec,
    /// Test whether a config lets the workspace be read.
    Check {
        /// The config, a JSON file.
        #[arg(long)]
        config: String,
    },
    /// Print the streams and their schemas.
    Discover {
        /// The config, a JSON file.
        #[arg(long)]
        config: String,
    },
    /// Read the streams of a catalog.
    Read {
        /// The config, a JSON file.
        #[arg(long)]
        config: String,
        /// The configured catalog, a JSON file.
        #[arg(long)]
        catalog: String,
        /// Where earlier reads got to, a JSON file.
        #[arg(long)]
        state: Option<String>,
    },
}
