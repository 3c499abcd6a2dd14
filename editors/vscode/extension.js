// Starts `vitdsl lsp` at the first YAML file that may be vitdsl's, and shows what it says. It judges each file itself,
// and says nothing of those that are not.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const MAY_BE = /^(stages|extends|epochs|space|args)[ \t]*:|^#.*\bvitdsl\b/m;
let client;

function start(document) {
  const named = /\.vit\.ya?ml$/.test(document.fileName);
  if (client || document.languageId !== "yaml" || !(named || MAY_BE.test(document.getText()))) return;
  const settings = workspace.getConfiguration("vitdsl");
  const [command, ...args] = settings.get("command");
  const options = {
    documentSelector: [{ language: "yaml" }],
    initializationOptions: { files: settings.get("files") },
  };
  client = new LanguageClient("vitdsl", { command, args }, options);
  client.start();
}

exports.activate = (context) => {
  workspace.textDocuments.forEach(start);
  context.subscriptions.push(
    workspace.onDidOpenTextDocument(start),
    workspace.onDidChangeTextDocument((event) => start(event.document)),
  );
};

exports.deactivate = () => client?.stop();
