//! `emend user`: accounts, over a scheduler or on the store itself.

use anyhow::Result;
use emend_scheduler::domain::caller::Role;
use serde::Serialize;

use super::{client, print, print_json, settings};
use crate::accounts::{AccountView, AnyAccounts};
use crate::args::{AccountsAt, Common, UserAddArgs, UserArgs, UserCommand, UserSetArgs};
use crate::exit::{Exit, Usage};
use crate::term::Table;

pub(super) async fn run(args: UserArgs, common: &Common) -> Result<Exit> {
    let at = at(&args.command);
    let accounts = open(at, common).await?;
    let done = match &args.command {
        UserCommand::Add(args) => add(&accounts, args).await,
        UserCommand::List(args) => list(&accounts, args.at.remote.json).await,
        UserCommand::Set(args) => set(&accounts, args).await,
        UserCommand::Disable(args) => {
            let account = accounts.set_disabled(&args.name, true).await;
            account.and_then(|account| show(&account, "is disabled: its sessions have ended", at))
        }
        UserCommand::Enable(args) => {
            let account = accounts.set_disabled(&args.name, false).await;
            account.and_then(|account| show(&account, "may sign in again", at))
        }
        UserCommand::Password(args) => password(&accounts, &args.name, args.at.remote.json).await,
    };
    accounts.close().await;
    done.map(|()| Exit::Done)
}

fn at(command: &UserCommand) -> &AccountsAt {
    match command {
        UserCommand::Add(args) => &args.at,
        UserCommand::List(args) => &args.at,
        UserCommand::Set(args) => &args.at,
        UserCommand::Disable(args) | UserCommand::Enable(args) | UserCommand::Password(args) => &args.at,
    }
}

async fn open(at: &AccountsAt, common: &Common) -> Result<AnyAccounts> {
    match &at.store {
        Some(url) => {
            settings(common, "warn", Vec::new())?;
            AnyAccounts::on_store(url).await
        }
        None => Ok(AnyAccounts::over(client(&at.remote, common)?)),
    }
}

/// An account that was made, with the one chance to read its password.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    account: AccountView,
    password: String,
}

async fn add(accounts: &AnyAccounts, args: &UserAddArgs) -> Result<()> {
    let roles = args.role.iter().map(Role::to_string).collect();
    let (account, password) = accounts.add(&args.name, roles, args.skill.clone()).await?;
    if args.at.remote.json {
        return print_json(&Made { account, password });
    }
    print(&format!(
        "account {} is made ({})\npassword, shown this once:\n  {password}",
        account.name,
        account.roles.join(", ")
    ))
}

async fn list(accounts: &AnyAccounts, json: bool) -> Result<()> {
    let all = accounts.list().await?;
    if json {
        return print_json(&all);
    }
    let mut table = Table::new(["account", "roles", "skills", "state"]);
    for account in &all {
        let skills = if account.skills.is_empty() { "any".to_owned() } else { account.skills.join(", ") };
        let state = if account.disabled { "disabled" } else { "may sign in" };
        table.row([account.name.clone(), account.roles.join(", "), skills, state.to_owned()]);
    }
    print(&table.to_string())
}

async fn set(accounts: &AnyAccounts, args: &UserSetArgs) -> Result<()> {
    if args.role.is_empty() && args.skill.is_empty() && !args.any_skill {
        return Err(Usage::new("nothing to change: say --role, --skill or --any-skill"));
    }
    let before = accounts.get(&args.name).await?;
    let roles: Vec<String> = args.role.iter().map(Role::to_string).collect();
    let roles = if roles.is_empty() { before.roles } else { roles };
    let keep = args.skill.is_empty() && !args.any_skill;
    let skills = if keep { before.skills } else { args.skill.clone() };
    let account = accounts.grant(&args.name, roles, skills).await?;
    show(&account, "is set; it counts from its next call on", &args.at)
}

async fn password(accounts: &AnyAccounts, name: &str, json: bool) -> Result<()> {
    let password = accounts.reset_password(name).await?;
    if json {
        return print_json(&serde_json::json!({ "name": name, "password": password }));
    }
    print(&format!("new password of {name}, shown this once:\n  {password}"))
}

fn show(account: &AccountView, what: &str, at: &AccountsAt) -> Result<()> {
    if at.remote.json { print_json(account) } else { print(&format!("account {} {what}", account.name)) }
}
