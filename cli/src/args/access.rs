//! Flags of the commands about people: accounts and the audit log.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use emend_scheduler::domain::account::ROLES;
use emend_scheduler::domain::caller::Role;

use super::Remote;

/// `emend user`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The first account is made on the store itself, while no scheduler has a SQLite file open:\n  \
                        emend user add mai --role operator --store sqlite://emend.db\n\n\
                        From then on over a scheduler, which keeps running:\n  \
                        emend user add lan --role reviewer --skill national_id\n  emend user list\n  \
                        emend user disable lan"
)]
pub struct UserArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// Where accounts are steered: over a scheduler, or on the store itself.
#[derive(Debug, Clone, Args)]
pub struct AccountsAt {
    /// Work on the store itself instead of over a scheduler: sqlite://PATH, which no scheduler may have open, or
    /// postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// The scheduler.
    #[command(flatten)]
    pub remote: Remote,
}

/// What can be done about accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Make an account, and print its password once.
    #[command(after_help = "Examples:\n  emend user add lan --role reviewer\n  \
                            emend user add minh --role reviewer --skill national_id --skill date_of_birth.invalid\n  \
                            emend user add mai --role operator --role lead --store sqlite://emend.db\n\n\
                            Roles: operator runs jobs and shifts; lead decides, also what reviewers cannot; reviewer \
                            decides. Give the password to its owner; nobody can read it again.")]
    Add(UserAddArgs),
    /// List accounts.
    #[command(after_help = "Examples:\n  emend user list\n  emend user list --json | jq -r '.[].name'")]
    List(UserListArgs),
    /// Give an account other roles or skills; what is not named stays.
    #[command(
        after_help = "Examples:\n  emend user set lan --role lead\n  emend user set lan --skill phone\n  \
                            emend user set lan --any-skill"
    )]
    Set(UserSetArgs),
    /// End an account's sessions, free what it holds, and let it sign in no more.
    #[command(
        after_help = "Example:\n  emend user disable lan\n\nIts decisions stand. `emend user enable` takes it back."
    )]
    Disable(UserNameArgs),
    /// Let a disabled account sign in again.
    #[command(after_help = "Example:\n  emend user enable lan")]
    Enable(UserNameArgs),
    /// Give an account a new password, and print it once; its sessions end.
    #[command(after_help = "Example:\n  emend user password lan")]
    Password(UserNameArgs),
}

/// `emend user add`.
#[derive(Debug, Clone, Args)]
pub struct UserAddArgs {
    /// Its name: 1 to 64 of the characters a-z 0-9 . _ -
    #[arg(value_name = "NAME")]
    pub name: String,
    /// operator, lead, reviewer or worker; repeat it for several.
    #[arg(long, value_name = "ROLE", required = true, value_parser = account_role)]
    pub role: Vec<Role>,
    /// A field or finding that its reviews are to be about; repeat it for several. Default: any.
    #[arg(long, value_name = "SKILL")]
    pub skill: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub at: AccountsAt,
}

/// `emend user list`.
#[derive(Debug, Clone, Args)]
pub struct UserListArgs {
    /// Where.
    #[command(flatten)]
    pub at: AccountsAt,
}

/// `emend user set`.
#[derive(Debug, Clone, Args)]
pub struct UserSetArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// All roles that it has from now on; repeat it for several.
    #[arg(long, value_name = "ROLE", value_parser = account_role)]
    pub role: Vec<Role>,
    /// All skills that it has from now on; repeat it for several.
    #[arg(long, value_name = "SKILL")]
    pub skill: Vec<String>,
    /// It is bound to no skill any more.
    #[arg(long, conflicts_with = "skill")]
    pub any_skill: bool,
    /// Where.
    #[command(flatten)]
    pub at: AccountsAt,
}

/// Commands that need an account's name alone.
#[derive(Debug, Clone, Args)]
pub struct UserNameArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where.
    #[command(flatten)]
    pub at: AccountsAt,
}

fn account_role(word: &str) -> Result<Role, String> {
    let role = Role::parse(word).filter(|role| ROLES.contains(role));
    role.ok_or_else(|| format!("there are {}", ROLES.map(Role::as_str).join(", ")))
}

/// `emend audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done about the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Find whatever was edited, removed, moved or cut.
    #[command(after_help = "Examples:\n  emend audit verify --store sqlite://emend.db\n  \
                            EMEND__SCHEDULER__AUDIT__KEY=… emend audit verify --store postgres://emend@db/emend --head \
                            kept.audit-head\n\n\
                            The key is that of the schedulers: scheduler.audit.key, or PATH.audit-key beside a SQLite \
                            file. --head is what a scheduler kept of the newest entry (scheduler.audit.head): without it \
                            a cut of the newest entries may go unnoticed. Exit code 1 when anything is wrong.")]
    Verify(AuditVerifyArgs),
}

/// `emend audit verify`.
#[derive(Debug, Clone, Args)]
pub struct AuditVerifyArgs {
    /// The store: sqlite://PATH, which no scheduler may have open, or postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// The kept head. Default: scheduler.audit.head, or PATH.audit-head beside a SQLite file.
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
}
