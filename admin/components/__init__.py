"""UI that only the admin section uses: frame, table, form, confirmation, chart. No data and no service lives here.

How a page is made: `admin/pages/NOUN.py`, one line in `admin.pages.PAGES`, one in `chatapp.components.navigation`.

    class Things(TableState, rx.State):                      # reads: READ_ADMIN
        async def _list(self, actor, wanted):
            return await things.list_things(actor, wanted)   # ListPage[ThingView]; views have an `id`

    class ThingForm(FormState, rx.State):                    # changes: ADMIN
        form_model: ClassVar = ThingFields                   # a pydantic model: title, description, limits, Literal ...
        async def _start(self, actor, subject):
            return row_of(await things.get(actor, UUID(subject))) if subject else {}
        async def _save(self, actor, subject, entered):
            await things.create(actor, name=entered.name)    # InvalidInput(param="name") lands at that field
            return [Things.load, rx.toast.success("Saved.")]

    class ThingActs(ConfirmState, rx.State):
        @rx.event
        async def act(self, name: str, ids: list[str]):      # from row menu, panel and bulk bar
            hit = await things.removal_of(current_actor(), [UUID(each) for each in ids])
            self._ask(name, ids, title=f"Delete {hit.name}?", hits={"Documents": hit.documents}, typed=hit.name)
        @rx.event
        async def confirmed(self, name: str, ids: list[str], typed: str, reason: str):
            if await self._confirm(things.delete(current_actor(), UUID(ids[0]), name=typed, reason=reason)):
                return [Things.load, rx.toast.success("Deleted.")]

    def things_page():
        return frame(
            data_table(Things, name="things", noun=("thing", "things"), href="/admin/things/{id}",
                       columns=[Column("name", "Name", "title", sort="name"),
                                Column("state", "State", "badge", labels={"on": "On"}, tones={"on": "good"}),
                                Column("created_at", "Made", "moment", sort="created_at")],
                       filters=[Filter("state", "State", "choice", {"on": "On", "off": "Off"})],
                       actions=[Action("delete", "Delete", "danger")], on_act=ThingActs.act,
                       csv_href="/v1/admin/things.csv"),
            model_form(ThingForm, title="New thing", word="Make it", in_dialog=True),
            confirm_dialog(ThingActs, on_confirm=ThingActs.confirmed),
            at="/admin/things", sentence="What things are for.",
            actions=[action_button("New thing", ThingForm.open_form(""), shown=Things.can_change)],
        )

    PAGE = admin_page("/admin/things", "Things", things_page, Things.load)

Field extras of a model: `Field(json_schema_extra={"kind": "email" | "long_text" | "password" | "secret", "unit": "s",
"labels": {...}, "placeholder": ""})`. Choices only the server knows go into `self.form_choices[field]` in `_start`. A
form on a page of its own: without `in_dialog`, with `Form.open_form("")` among the page's `on_load`. What the panel
shows beyond the columns: components behind the State, `data_table(State, *panel, ...)`, bound to `State.peeked["..."]`,
which `_peek` fills. Everything a handler takes is untrusted: services check it again.
"""
