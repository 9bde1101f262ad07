"""The words of the hosted pages, in English and Russian."""

LANGUAGES = ("en", "ru")

_EN = {
    "title": "Checkout",
    "test_mode": "Test mode: no real money moves",
    "pay": "Pay",
    "donate": "Donate",
    "book": "Book",
    "save": "Save",
    "pay_heading": "Pay {name}",
    "setup_heading": "Save a payment method for {name}",
    "back": "Back",
    "email": "Email",
    "card_heading": "Card",
    "number": "Card number",
    "expiry": "Expiry (MM/YY)",
    "cvc": "Security code (CVC)",
    "holder": "Name on card",
    "bank_heading": "Bank debit",
    "bank_hint": "The money arrives after {days} days by this machine's clock, or fails.",
    "iban": "Account number or IBAN",
    "method": "How do you want to pay?",
    "method_card": "Card",
    "method_bank": "Bank debit that settles later",
    "test_cards": "Test cards",
    "test_cards_hint": "Choose one to fill in the form. They are published by Stripe.",
    "future_use": "You allow {name} to charge this payment method again, as you agreed.",
    "done_heading": "This payment is complete",
    "done_text": "There is nothing left to do here.",
    "continue": "Continue",
    "expired_heading": "This page has expired",
    "expired_text": "No money was taken. Go back and start again.",
    "unknown_heading": "There is no such page",
    "unknown_text": "The address is wrong, or the stand-in was started with an empty state.",
    "secure_heading": "Your bank asks: is this you?",
    "secure_text": "This page stands in for the bank's 3D Secure page.",
    "secure_complete": "Complete authentication",
    "secure_fail": "Fail authentication",
    "amount": "Amount",
    "error": "The payment did not go through",
    "group_succeeds": "Succeeds",
    "group_declined": "Declined",
    "group_secure": "3D Secure",
    "group_afterwards": "Succeeds, then something happens",
    "group_fraud": "Risk and checks",
    "group_countries": "From other countries",
}
_RU = {
    "title": "Оплата",
    "test_mode": "Тестовый режим: настоящие деньги не списываются",
    "pay": "Заплатить",
    "donate": "Поддержать",
    "book": "Забронировать",
    "save": "Сохранить",
    "pay_heading": "Платёж для {name}",
    "setup_heading": "Сохранить способ оплаты для {name}",
    "back": "Назад",
    "email": "Электронная почта",
    "card_heading": "Карта",
    "number": "Номер карты",
    "expiry": "Срок действия (ММ/ГГ)",
    "cvc": "Код безопасности (CVC)",
    "holder": "Имя на карте",
    "bank_heading": "Списание со счёта",
    "bank_hint": "Деньги придут через {days} дня по часам этой машины или не придут.",
    "iban": "Номер счёта или IBAN",
    "method": "Как вы хотите заплатить?",
    "method_card": "Карта",
    "method_bank": "Списание со счёта, деньги придут позже",
    "test_cards": "Тестовые карты",
    "test_cards_hint": "Выберите карту, чтобы заполнить форму. Их список опубликован Stripe.",
    "future_use": "Вы разрешаете {name} списывать деньги этим способом снова, как вы договорились.",
    "done_heading": "Этот платёж завершён",
    "done_text": "Здесь больше ничего делать не нужно.",
    "continue": "Продолжить",
    "expired_heading": "Срок действия страницы истёк",
    "expired_text": "Деньги не списаны. Вернитесь и начните заново.",
    "unknown_heading": "Такой страницы нет",
    "unknown_text": "Адрес неверен, или сервис запущен с пустым состоянием.",
    "secure_heading": "Банк спрашивает: это вы?",
    "secure_text": "Эта страница заменяет страницу 3D Secure вашего банка.",
    "secure_complete": "Подтвердить",
    "secure_fail": "Отклонить",
    "amount": "Сумма",
    "error": "Платёж не прошёл",
    "group_succeeds": "Проходит",
    "group_declined": "Отклоняется",
    "group_secure": "3D Secure",
    "group_afterwards": "Проходит, потом что-то происходит",
    "group_fraud": "Риск и проверки",
    "group_countries": "Из других стран",
}
TEXTS = {"en": _EN, "ru": _RU}

_RU_ERRORS = {
    "insufficient_funds": "На карте недостаточно средств.",
    "expired_card": "Срок действия карты истёк.",
    "incorrect_cvc": "Неверный код безопасности карты.",
    "invalid_cvc": "Неверный код безопасности карты.",
    "incorrect_number": "Неверный номер карты.",
    "invalid_expiry_month": "Неверный срок действия карты.",
    "invalid_expiry_year": "Неверный срок действия карты.",
    "processing_error": "Ошибка при обработке карты. Попробуйте ещё раз чуть позже.",
    "card_declined": "Карта отклонена.",
    "email_invalid": "Введите адрес электронной почты.",
    "payment_intent_authentication_failure": "Подтверждение не прошло. Попробуйте другую карту.",
    "setup_intent_authentication_failure": "Подтверждение не прошло. Попробуйте другую карту.",
}


def language_of(locale: str | None, accepted: str) -> str:
    """The session's locale, or for `auto` the browser's first choice that we have."""
    wanted = accepted.split(",", maxsplit=1)[0] if locale in (None, "auto") else locale or ""
    short = wanted.strip()[:2].lower()
    return short if short in LANGUAGES else "en"


def error_text(error: dict[str, str], language: str) -> str:
    """Stripe's message, or ours in Russian for the common ones."""
    if language == "ru":
        for name in (error.get("decline_code"), error.get("code")):
            if name in _RU_ERRORS:
                return _RU_ERRORS[name]
    return error.get("message", "")
