import type { MessageView } from "../core/boundary";
import { author, called } from "../state/app.svelte";
import { speech } from "../words/index.svelte";
import type { Words } from "../words/en";

/** What somebody did, as a sentence. */
export function lineText(message: MessageView, words: Words): string {
  const { line } = message;
  const who = message.own ? words.you : called(author(message));
  if (!line) return "";
  switch (line.line) {
    case "created":
      return words.line.created(who);
    case "invited":
      return words.line.invited(who, called(line.whom));
    case "came-in":
      return line.invited_by ? words.line.cameInBy(who, called(line.invited_by)) : words.line.cameIn(who);
    case "left":
      return words.line.left(called(line.whom));
    case "removed":
      return words.line.removed(who, called(line.whom));
    case "role":
      return (line.admin ? words.line.admin : words.line.member)(who, called(line.whom));
    case "title":
      return words.line.title(who, line.title);
    case "description":
      return words.line.description(who);
    case "picture":
      return words.line.picture(who);
    case "timer":
      return line.seconds > 0 ? words.line.timer(who, speech.duration(line.seconds)) : words.line.noTimer(who);
    case "permission":
      return words.line.permission(who, line.permission, line.members);
    case "link-opened":
      return words.line.linkOpened(who);
    case "link-closed":
      return words.line.linkClosed(who);
    case "ended":
      return words.line.ended(who);
    case "moved":
      return words.line.moved(who, line.server);
    case "unknown":
      return words.line.unknown(who);
  }
}
