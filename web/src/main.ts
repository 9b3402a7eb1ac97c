import { mount } from "svelte";

import "./app.css";
import App from "./ui/App.svelte";
import { app } from "./state/app.svelte";
import "./state/look.svelte";
import { onArrival } from "./state/place.svelte";
import { keepShell } from "./state/shell.svelte";

mount(App, { target: document.getElementById("app") ?? document.body });
onArrival(() => app.follow());
document.addEventListener("visibilitychange", () => app.talk?.seen());
keepShell();
void app.open();
