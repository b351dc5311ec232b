// The reader's application: it signs a person in and greets them.
import express from "express"

const issuer = "http://localhost:9000/"
const client = { client_id: "example-web-application", client_secret: "offline-secret-of-the-web-application" }
const redirect_uri = "http://localhost:3000/callback"
const app = express()

app.get("/", (_, response) => response.send("Welcome"))
app.get("/login", (_, response) => {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri,
    scope: "openid profile",
  })
  response.redirect(`${issuer}authorize?${query}`)
})
app.get("/callback", async (request, response) => {
  const form = { grant_type: "authorization_code", code: request.query.code, redirect_uri, ...client }
  const answer = await fetch(`${issuer}oauth/token`, { method: "POST", body: new URLSearchParams(form) })
  const { access_token: token } = await answer.json()
  const person = await fetch(`${issuer}userinfo`, { headers: { Authorization: `Bearer ${token}` } })
  response.send(`Hello ${(await person.json()).name}`)
})
app.listen(3000, "localhost")
