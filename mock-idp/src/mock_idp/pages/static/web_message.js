// The browser delivers the message only to a window of this origin.
const { origin, answer } = document.getElementById("web-message").dataset;
const message = { type: "authorization_response", response: JSON.parse(answer) };
(window.opener ?? window.parent).postMessage(message, origin);
